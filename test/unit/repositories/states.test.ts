import { describe, expect, test } from "@jest/globals";
import { RepositoryStatus } from "../../../src/generated/prisma/enums.ts";
import { repositoryTransitions } from "../../../src/repositories/states.ts";
import { assertTransition } from "../../../src/transitions.ts";

// As the contract has them; the table in src/ is what is tested.
const allowed = new Set([
  "CLONING → SYNCED",
  "CLONING → FAILED",
  "SYNCED → SYNCING",
  "FAILED → SYNCING",
  "SYNCING → SYNCED",
  "SYNCING → FAILED",
  "FAILED → CLONING",
  "SYNCED → REMOVING",
  "FAILED → REMOVING",
  "REMOVING → FAILED",
]);

const statuses = Object.values(RepositoryStatus);
const pairs = statuses.flatMap((from) => statuses.map((to) => ({ from, to })));

describe("a repository's statuses", () => {
  test.each(pairs.filter(({ from, to }) => allowed.has(`${from} → ${to}`)))(
    "$to may follow $from",
    ({ from, to }) => {
      expect(() => {
        assertTransition(repositoryTransitions, from, to);
      }).not.toThrow();
    },
  );

  test.each(pairs.filter(({ from, to }) => !allowed.has(`${from} → ${to}`)))(
    "$to may not follow $from",
    ({ from, to }) => {
      expect(() => {
        assertTransition(repositoryTransitions, from, to);
      }).toThrow(`${to} can't follow ${from}`);
    },
  );

  test("every pair of the contract is one of known statuses", () => {
    const known = new Set(pairs.map(({ from, to }) => `${from} → ${to}`));
    expect([...allowed].filter((pair) => !known.has(pair))).toEqual([]);
  });
});
