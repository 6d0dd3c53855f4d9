import { describe, expect, test } from "@jest/globals";
import { checkDispatch, hashInput, issueNumber, repositoryOf } from "../../../src/workers/input.ts";
import { workerName, workerNumber } from "../../../src/workers/find.ts";
import { ordinal } from "../../../src/workers/queue-reason.ts";
import { fallbackBranch } from "../../../src/workers/branch.ts";

test.each([
  ["42", "42"],
  ["#42", "42"],
  ["acme/app#42", "42"],
  ["PROJ-42", "42"],
  ["https://github.com/acme/app/issues/42", "42"],
  ["https://github.com/acme/app/issues/42/", "42"],
  ["https://github.com/acme/app/issues/42#issuecomment-7", "42"],
  ["https://gitlab.com/acme/app/-/issues/42?a=b", "42"],
  ["issue 42", undefined],
  ["version1.42", undefined],
  ["the login is slow", undefined],
  ["1234567890123456789", undefined],
])("the number of the issue %s is %s", (issue, number) => {
  expect(issueNumber(issue)).toBe(number);
});

describe("the hash of an input", () => {
  const input = { task: "true", priority: 0, repository: { owner: "acme", name: "app" } };
  const hash = (more: object = {}) => hashInput("dispatch", { ...input, ...more });

  test("doesn't depend on the order of the fields, on the key, nor on what is left out", () => {
    const reordered = {
      repository: { name: "app", owner: "acme" },
      priority: 0,
      task: "true",
    };
    expect(hashInput("dispatch", reordered)).toBe(hash());
    expect(hash({ idempotencyKey: "a" })).toBe(hash({ idempotencyKey: "b" }));
    expect(hash({ base: undefined })).toBe(hash());
  });

  test("is the one of before for inputs that use nothing that came later", () => {
    const before = hashInput("dispatch", {
      parentSession: "me",
      task: "true",
      agent: "shell",
      priority: 0,
      cleanup: "KEEP",
      repository: { owner: "acme", name: "app" },
    });
    expect(before).toBe("a97e6e48c48948bd43b2fdb2ca44e4def48df069e8d88c1433914d1e1f11c42d");
  });

  test("differs with every value, and between a dispatch and a retry", () => {
    const hashes = [
      hash(),
      hash({ task: "false" }),
      hash({ priority: 1 }),
      hash({ base: "main" }),
      hash({ branch: "main" }),
      hash({ permissions: "ASK" }),
      hash({ permissions: "DENY" }),
      hash({ push: true }),
      hash({ maxCostUsd: 1 }),
      hash({ maxTurns: 1 }),
      hash({ repository: { owner: "acme", name: "other" } }),
      hash({ repository: undefined }),
      hashInput("retry", input),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });
});

describe("bounds of an agent", () => {
  const check = (more: object) => () =>
    checkDispatch({
      parentSession: "p",
      task: "t",
      agent: "claude",
      priority: 0,
      cleanup: "KEEP",
      ...more,
    });

  test.each([{ maxCostUsd: 0.000_1 }, { maxCostUsd: 1_000_000 }, { maxTurns: 1 }])(
    "may be %j",
    (more) => {
      expect(check(more)).not.toThrow();
    },
  );

  test.each([
    { maxCostUsd: 0 },
    { maxCostUsd: -1 },
    { maxCostUsd: NaN },
    { maxCostUsd: Infinity },
    { maxTurns: 0 },
    { maxTurns: -1 },
    { maxTurns: 1_000_001 },
  ])("may not be %p, and the refusal names the field", (more) => {
    expect(check(more)).toThrow(
      expect.objectContaining({
        code: "BAD_INPUT",
        message: expect.stringContaining(Object.keys(more)[0] ?? ""),
      }),
    );
  });
});

test("the repository that is given wins over the issue's", () => {
  const issue = "https://github.com/acme/app/issues/42";
  const base = {
    parentSession: "p",
    task: "t",
    agent: "shell",
    priority: 0,
    cleanup: "KEEP",
  } as const;
  expect(repositoryOf({ ...base, issue })).toMatchObject({ owner: "acme", name: "app" });
  const repository = { owner: "other", name: "thing" };
  expect(repositoryOf({ ...base, issue, repository })).toEqual(repository);
  expect(() => repositoryOf(base)).toThrow(/^repository is missing/);
});

test.each([
  ["worker-1", 1],
  ["worker-123456789", 123_456_789],
  ["worker-0", undefined],
  ["worker-01", undefined],
  ["worker-1234567890", undefined],
  ["Worker-1", undefined],
  ["worker-1 ", undefined],
  ["worker-x", undefined],
])("the name %s is that of worker number %s", (name, number) => {
  expect(workerNumber(name)).toBe(number);
  if (number !== undefined) expect(workerName({ number })).toBe(name);
});

test.each([
  [1, "1st"],
  [2, "2nd"],
  [3, "3rd"],
  [4, "4th"],
  [10, "10th"],
  [11, "11th"],
  [12, "12th"],
  [13, "13th"],
  [21, "21st"],
  [102, "102nd"],
  [111, "111th"],
  [1013, "1013th"],
])("%s is said as %s", (value, text) => {
  expect(ordinal(value)).toBe(text);
});

test("a default branch that exists already has the session's name behind it", () => {
  expect(fallbackBranch("issue-42", 7)).toBe("issue-42-worker-7");
});
