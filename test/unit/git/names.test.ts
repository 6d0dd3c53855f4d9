import { describe, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { FactoryError } from "../../../src/errors.ts";
import {
  checkBase,
  checkBranch,
  checkOwner,
  checkRepositoryName,
  findBranchConflict,
} from "../../../src/git/names.ts";

function faultOf(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof FactoryError && error.code === "BAD_INPUT") return error.message;
    throw error;
  }
}

describe("a branch", () => {
  test.each([
    "main",
    "feat/login",
    "issue-42",
    "a.b_c",
    "dependabot/npm/x-1.2",
    "ünï/ç",
    "x@y",
    "a{b",
  ])("may be %j", (branch) => {
    expect(faultOf(() => checkBranch(branch))).toBeUndefined();
  });

  test.each([
    ["", "empty"],
    ["-x", "hyphen"],
    ["@", "@"],
    ["HEAD", "HEAD"],
    ["refs/heads/x", "refs/"],
    ["../x", "dot"],
    ["a..b", "two dots"],
    ["x.lock", ".lock"],
    ["x.lock/y", ".lock"],
    ["a/.b", "dot"],
    ["/a", "slash"],
    ["a/", "slash"],
    ["a//b", "slash"],
    ["a b", '" "'],
    ["a~1", '"~"'],
    ["a\\b", "\\"],
    ["a@{1}", "@{"],
    ["a.", "dot"],
    ["a\0b", "control"],
    ["a\nb", "control"],
    ["a\u007fb", "control"],
    ["a\ud800", "surrogate"],
    ["x".repeat(300), "300 bytes"],
    ["ä".repeat(123), "246 bytes"],
  ])("may not be %j", (branch, words) => {
    const fault = faultOf(() => checkBranch(branch));
    expect(fault).toMatch(/^branch /);
    expect(fault).toContain(words);
  });

  test("is accepted exactly where git accepts it, but for lengths, refs/ and @", () => {
    const pieces = [
      ...["a", "b", "X", "0", "é", "-", "_", ".", "..", "/", "//", "@", "{", "@{", "}", "~", "^"],
      ...[":", "?", "*", "[", "]", "\\", " ", ".lock", "lock", "HEAD", "refs", "\u0001", "\u007f"],
      ...["!", "#", "$", "%", "&", "'", '"', "(", ")", "+", ",", ";", "<", "=", ">", "|", "`"],
    ];
    const random = createRandom(20_240_229);
    const names = new Set<string>();
    while (names.size < 3000) {
      const length = 1 + Math.floor(random() * 5);
      let name = "";
      for (let index = 0; index < length; index += 1) {
        name += pieces[Math.floor(random() * pieces.length)]!;
      }
      names.add(name);
    }
    const list = [...names].filter((name) => name !== "@" && !/^refs(?:\/|$)/.test(name));
    const differing = list.filter(
      (name, index) => gitAccepts(list)[index] !== (faultOf(() => checkBranch(name)) === undefined),
    );
    expect(differing).toEqual([]);
  });
});

let answers: boolean[] | undefined;

/** One shell for all names: a process of its own for each would take a minute. */
function gitAccepts(names: readonly string[]): boolean[] {
  answers ??= execFileSync(
    "bash",
    [
      "-c",
      'while IFS= read -r -d "" name; do git check-ref-format --branch "$name" >/dev/null 2>&1 && echo y || echo n; done',
    ],
    { input: names.join("\0") + "\0", encoding: "utf8", cwd: "/" },
  )
    .trim()
    .split("\n")
    .map((line) => line === "y");
  return answers;
}

/** The same names at every run (a linear congruential generator). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

describe("owner and name", () => {
  test.each(["a", "acme", "My-Org", ".github", "x.y_z", "a".repeat(100)])("may be %j", (text) => {
    expect(faultOf(() => checkOwner(text))).toBeUndefined();
    expect(faultOf(() => checkRepositoryName(text))).toBeUndefined();
  });

  test.each([
    "",
    ".",
    "..",
    ".git",
    "x.git",
    "x.GIT",
    "x.lock",
    "a/b",
    "-x",
    "a b",
    "a\0",
    "ä",
    "a".repeat(101),
  ])("may not be %j", (text) => {
    expect(faultOf(() => checkOwner(text))).toMatch(/^owner /);
    expect(faultOf(() => checkRepositoryName(text))).toMatch(/^name /);
  });

  test("with a slash are told that nested groups aren't supported", () => {
    expect(faultOf(() => checkOwner("group/subgroup"))).toContain("nested groups");
  });
});

describe("a base", () => {
  test.each(["main", "v1.0", "origin/main", "refs/tags/v1", "0123abc", "a".repeat(40)])(
    "may be %j",
    (base) => {
      expect(faultOf(() => checkBase(base))).toBeUndefined();
    },
  );

  test.each(["", "-x", "HEAD", "@", "main~1", "main^{tree}", "a..b", "main:README.md", ":/text"])(
    "may not be %j",
    (base) => {
      expect(faultOf(() => checkBase(base))).toMatch(/^base /);
    },
  );
});

describe("a branch conflicts", () => {
  test.each([
    ["feat", "feat/x", "folder"],
    ["feat/x", "feat", "folder"],
    ["Feat", "feat", "case"],
    ["FEAT/x", "feat", "folder"],
    ["Feat/x", "feat/y", "case"],
    ["caf\u00e9", "cafe\u0301", "case"],
  ])("%s with %s", (branch, existing, kind) => {
    expect(findBranchConflict(branch, ["other", existing])).toEqual({ existing, kind });
  });

  test("neither with itself nor with names that only begin alike", () => {
    expect(findBranchConflict("feat", ["feat", "feature", "fea", "x/feat"])).toBeUndefined();
  });
});
