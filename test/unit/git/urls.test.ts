import { describe, expect, test } from "@jest/globals";
import { FactoryError } from "../../../src/errors.ts";
import { isSameRemote, parseRemoteUrl, redactUrl } from "../../../src/git/remote-url.ts";

const usual = ["https", "ssh"];
const all = [...usual, "http", "file"];

test("urls that differ by a final slash or .git alone are one remote's", () => {
  const urls = ["https://h/a/b", "https://h/a/b/", "https://h/a/b.git", "https://h/a/b.git/"];
  for (const one of urls) {
    for (const other of urls) expect(isSameRemote(one, other)).toBe(true);
    for (const other of ["https://h/a/c", "https://h/a/bgit", "https://g/a/b", "https://h/a"]) {
      expect(isSameRemote(one, other)).toBe(false);
    }
  }
  for (const [one, other] of [
    ["git@h:a/b", "git@h:a/b.git"],
    ["https://h/a/b", "https://h//a//b.git//"],
    ["ssh://git@h/a/b", "ssh://git@h:22/a/b.git"],
    ["file:///srv/a", "file:////srv//a.git/"],
  ] as const) {
    expect(isSameRemote(one, other)).toBe(true);
  }
  for (const [one, other] of [
    ["ssh://git@h/a/b", "ssh://git@h:2222/a/b"],
    ["ssh://git@h/a/b", "ssh://ada@h/a/b"],
    ["git@h:a/b", "ada@h:a/b"],
    ["http://h/a/b", "https://h/a/b"],
    ["https://h/a/b", "https://h:22/a/b"],
  ] as const) {
    expect(isSameRemote(one, other)).toBe(false);
  }
});

describe("a remote's url", () => {
  test.each([
    ["https://github.com/acme/site.git", "https://github.com/acme/site.git", "https", "github.com"],
    ["https://GitHub.com:443/acme/site", "https://github.com/acme/site", "https", "github.com"],
    [
      "https://git.example.org:8443/a/b.git",
      "https://git.example.org:8443/a/b.git",
      "https",
      "git.example.org:8443",
    ],
    ["http://127.0.0.1:3000/a/b.git", "http://127.0.0.1:3000/a/b.git", "http", "127.0.0.1:3000"],
    [
      "ssh://git@github.com/acme/site.git",
      "ssh://git@github.com/acme/site.git",
      "ssh",
      "github.com",
    ],
    [
      "ssh://git@example.org:2222/a/b.git",
      "ssh://git@example.org:2222/a/b.git",
      "ssh",
      "example.org:2222",
    ],
    ["git@github.com:acme/site.git", "git@github.com:acme/site.git", "ssh", "github.com"],
    ["file:///srv/git/site.git", "file:///srv/git/site.git", "file", "localhost"],
  ])("%s is read", (text, url, protocol, host) => {
    expect(parseRemoteUrl(text, all)).toEqual({ url, protocol, host });
  });

  test("gives its credentials apart, decoded", () => {
    expect(parseRemoteUrl("https://ada:p%40ss%2Fword@example.org/a/b.git", usual)).toEqual({
      url: "https://example.org/a/b.git",
      protocol: "https",
      host: "example.org",
      credentials: { username: "ada", password: "p@ss/word" },
    });
    expect(parseRemoteUrl("https://token@example.org/a/b", usual).credentials).toEqual({
      username: "token",
      password: "",
    });
  });

  test("that was read is read the same again", () => {
    for (const text of ["https://u:p@EXAMPLE.org:1/a/b", "git@Host:a/b.git", "ssh://h/~me/x.git"]) {
      const { url, host } = parseRemoteUrl(text, all);
      expect(parseRemoteUrl(url, all)).toMatchObject({ url, host });
    }
  });

  test.each([
    "",
    "ext::sh -c touch% /tmp/x",
    "ext::sh",
    "EXT::x",
    "fd::17",
    "::x",
    "--upload-pack=touch /tmp/x",
    "-oProxyCommand=x",
    "ssh://-oProxyCommand=touch/x",
    "ssh://-oProxyCommand=x@host/path",
    "ssh://user:secret@host/path",
    "ssh://ho$(id)st/x",
    "-oProxyCommand=x:path",
    "git@-oProxyCommand=x:path",
    "-x@host:path",
    "host:-x",
    "git@host:a b",
    "https://host/a\nb",
    "https://host/a b",
    "https://host/a\0b",
    "https://host/é",
    "https://ho%0ast/x",
    "https://user:p%0Ass@host/x",
    "https://user:p%zz@host/x",
    "https://host",
    "https://host/a?x=y",
    "https://host/a#b",
    "https:///a/b",
    "git://host/x.git",
    "ftp://host/x.git",
    "javascript://host/x",
    "/srv/git/x.git",
    "../x",
    "file:///srv/x.git",
    "http://host/x.git",
    `https://host/${"x".repeat(2100)}`,
  ])("%j is refused by default", (text) => {
    let thrown: unknown;
    try {
      parseRemoteUrl(text, usual);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(FactoryError);
    expect(thrown).toMatchObject({ code: "BAD_INPUT", facts: { field: "url" } });
    expect(String(thrown)).not.toContain("secret");
  });
});

test("credentials in any text are replaced", () => {
  expect(redactUrl("fatal: 'https://ada:p@ss@example.org/a/b' and ssh://git@h/x, no@mail")).toBe(
    "fatal: 'https://***@example.org/a/b' and ssh://***@h/x, no@mail",
  );
  expect(redactUrl("https://example.org/a@b")).toBe("https://example.org/a@b");
});
