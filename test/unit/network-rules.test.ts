import { describe, expect, test } from "@jest/globals";
import {
  joinNetworkRules,
  matchesHost,
  normalizeHost,
  parseHostPattern,
  parseNetworkRules,
  writeNetworkRules,
} from "../../src/network-rules.ts";

describe("a list of hosts", () => {
  test("holds names, names with a * before them, addresses and ports", () => {
    expect(
      parseNetworkRules(
        "example.com, *.Example.ORG:8443 10.0.0.5:*,[2001:DB8::1]:80,bücher.example",
      ),
    ).toEqual({
      mode: "LIST",
      hosts: [
        { host: "example.com", isWildcard: false, port: undefined },
        { host: "example.org", isWildcard: true, port: 8443 },
        { host: "10.0.0.5", isWildcard: false, port: "any" },
        { host: "2001:db8::1", isWildcard: false, port: 80 },
        { host: "xn--bcher-kva.example", isWildcard: false, port: undefined },
      ],
    });
  });

  test.each(["OPEN", "NONE"] as const)("%s may stand before it", (mode) => {
    expect(parseNetworkRules(mode)).toEqual({ mode, hosts: [] });
    expect(parseNetworkRules(`${mode},git.example:22`)).toEqual({
      mode,
      hosts: [{ host: "git.example", isWildcard: false, port: 22 }],
    });
  });

  test.each([
    ["*", /"\*" is every host: write OPEN$/],
    ["open", /"open" is written in capitals$/],
    ["https://example.com", /"https:\/\/example.com" is an address of a page or a block$/],
    ["10.0.0.0/8", /is an address of a page or a block$/],
    ["example.com:", /has a port that is none: from 1 to 65535, or \*$/],
    ["example.com:0", /has a port that is none/],
    ["example.com:65536", /has a port that is none/],
    ["example.com:http", /has a port that is none/],
    ["exa*mple.com", /is no host$/],
    ["*.10.0.0.1", /has a \* before an address$/],
    ["2001:db8::1", /is written \[2001:db8::1\]$/],
    ["user@example.com", /is no host$/],
    [":443", /is no host$/],
    ["OPEN,NONE", /^names OPEN and NONE: one of them is enough$/],
  ])("%s is refused with what it may be", (text, words) => {
    expect(parseNetworkRules(text)).toMatch(words);
  });

  test("has 500 entries at most", () => {
    const hosts = Array.from({ length: 501 }, (_, index) => `h${String(index)}.example`);
    expect(parseNetworkRules(hosts.join(","))).toBe("may hold 500 hosts at most");
  });
});

describe("a pattern", () => {
  function matches(pattern: string, host: string, port = 443): boolean {
    const parsed = parseHostPattern(pattern);
    if (typeof parsed === "string") throw new Error(parsed);
    return matchesHost(parsed, host, port);
  }

  test("of a name matches it alone, at 80 and 443", () => {
    expect(matches("example.com", "example.com")).toBe(true);
    expect(matches("example.com", "example.com", 80)).toBe(true);
    expect(matches("example.com", "example.com", 22)).toBe(false);
    expect(matches("example.com", "www.example.com")).toBe(false);
    expect(matches("example.com", "notexample.com")).toBe(false);
  });

  test("with a * matches what is below the name, at any depth", () => {
    expect(matches("*.example.com", "a.b.example.com")).toBe(true);
    expect(matches("*.example.com", "example.com")).toBe(false);
    expect(matches("*.example.com", "notexample.com")).toBe(false);
  });

  test("with a port matches that one, with :* every one", () => {
    expect(matches("example.com:22", "example.com", 22)).toBe(true);
    expect(matches("example.com:22", "example.com", 443)).toBe(false);
    expect(matches("example.com:*", "example.com", 5432)).toBe(true);
  });
});

test.each([
  ["EXAMPLE.com.", "example.com"],
  ["0x7f.1", "127.0.0.1"],
  ["2130706433", "127.0.0.1"],
  ["[::ffff:127.0.0.1]", "::ffff:7f00:1"],
  ["::1", "::1"],
  ["a b", undefined],
  ["a/b", undefined],
  ["a@b", undefined],
  ["a%00b", undefined],
  ["", undefined],
  [".", undefined],
  ["1.2.3.4.5", undefined],
])("%s is the host %s", (text, host) => {
  expect(normalizeHost(text)).toBe(host);
});

test.each(["", "OPEN", "NONE,api.example.com", "*.example.com:8443,10.0.0.5:*,[2001:db8::1]:443"])(
  "what was read is written as it was: %j",
  (text) => {
    const rules = parseNetworkRules(text);
    expect(typeof rules === "string" ? rules : writeNetworkRules(rules)).toBe(text);
  },
);

test.each([
  [["a.example"], "a.example"],
  [["a.example", "b.example"], "a.example,b.example"],
  [["a.example", "OPEN"], "OPEN,a.example"],
  [["OPEN", "b.example"], "OPEN,b.example"],
  [["OPEN,a.example", "NONE,b.example"], "NONE,b.example"],
  [["NONE,a.example", "b.example"], "NONE,a.example,b.example"],
  [["a.example", "NONE", "c.example"], "NONE,c.example"],
])("%j together are %j", (texts, together) => {
  const all = texts.map((text) => {
    const rules = parseNetworkRules(text);
    if (typeof rules === "string") throw new Error(rules);
    return rules;
  });
  expect(writeNetworkRules(joinNetworkRules(all))).toBe(together);
});
