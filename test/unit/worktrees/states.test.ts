import { describe, expect, test } from "@jest/globals";
import { WorktreeStatus } from "../../../src/generated/prisma/enums.ts";
import { worktreeTransitions } from "../../../src/worktrees/states.ts";
import { assertTransition } from "../../../src/transitions.ts";

// As the contract has them; the table in src/ is what is tested.
const allowed = new Set([
  "CREATING → READY",
  "CREATING → FAILED",
  "READY → RUNNING",
  "RUNNING → READY",
  "READY → REMOVING",
  "READY → FAILED",
  "FAILED → REMOVING",
  "REMOVING → FAILED",
  "FAILED → CREATING",
]);

const statuses = Object.values(WorktreeStatus);
const pairs = statuses.flatMap((from) => statuses.map((to) => ({ from, to })));

describe("a worktree's statuses", () => {
  test.each(pairs.filter(({ from, to }) => allowed.has(`${from} → ${to}`)))(
    "$to may follow $from",
    ({ from, to }) => {
      expect(() => {
        assertTransition(worktreeTransitions, from, to);
      }).not.toThrow();
    },
  );

  test.each(pairs.filter(({ from, to }) => !allowed.has(`${from} → ${to}`)))(
    "$to may not follow $from",
    ({ from, to }) => {
      expect(() => {
        assertTransition(worktreeTransitions, from, to);
      }).toThrow(`${to} can't follow ${from}`);
    },
  );

  test("every pair of the contract is one of known statuses", () => {
    const known = new Set(pairs.map(({ from, to }) => `${from} → ${to}`));
    expect([...allowed].filter((pair) => !known.has(pair))).toEqual([]);
  });
});
