import { expect, test } from "@jest/globals";
import { readCloneSource, readName } from "../../../src/monitor/actions/repository-name.ts";

test("a repository is named by owner and name, without an address", () => {
  expect(readCloneSource(" octocat/Hello-World ")).toEqual({
    owner: "octocat",
    name: "Hello-World",
    url: undefined,
  });
  expect(readName("octocat/Hello-World")).toEqual({ owner: "octocat", name: "Hello-World" });
});

test.each([
  "https://github.com/octocat/Hello-World.git",
  "https://github.com/octocat/Hello-World",
  "https://git.acme.test:8443/mirrors/octocat/Hello-World.git/",
  "ssh://git@github.com/octocat/Hello-World.git",
  "git@github.com:octocat/Hello-World.git",
])("of the address %s the last two parts are its name", (url) => {
  expect(readCloneSource(url)).toEqual({ owner: "octocat", name: "Hello-World", url });
});

test.each(["", "octocat", "octocat/", "a/b/c", "https://github.com/octocat", "two words/name"])(
  "%p names no repository",
  (text) => {
    expect(readCloneSource(text)).toBeUndefined();
    expect(readName(text)).toBeUndefined();
  },
);
