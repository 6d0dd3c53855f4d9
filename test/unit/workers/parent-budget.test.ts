import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { connectDatabase, type DatabaseConnection } from "../../../src/database/client.ts";
import {
  assertBudgetLeft,
  findUsedUpBudget,
  readParentBudget,
} from "../../../src/workers/parent-budget.ts";
import { createDatabase, type TestDatabase } from "../../support/postgres.ts";
import { createSession } from "./rows.ts";

let database: TestDatabase;
let connection: DatabaseConnection;

beforeAll(async () => {
  database = await createDatabase();
  connection = connectDatabase(database.url, () => {});
});

afterAll(async () => {
  await connection.close();
  await database.drop();
});

/** A session that has cost so much, below the given one. */
async function spend(costUsd: number | null, above?: { id: string; ancestorIds: string[] }) {
  const { session } = await createSession(connection, "RUNNING");
  const ancestorIds = above === undefined ? [] : [...above.ancestorIds, above.id];
  const { prisma } = connection;
  return prisma.workerSession.update({ where: { id: session.id }, data: { costUsd, ancestorIds } });
}

async function limit(id: string, maxCostUsd: number | null): Promise<string> {
  const { name } = await connection.prisma.parentSession.update({
    where: { id },
    data: { maxCostUsd },
  });
  return name;
}

test("a parent without a limit has no budget, whatever its workers cost", async () => {
  const { parentSessionId, ancestorIds } = await spend(1_000);
  expect(await readParentBudget(connection.prisma, parentSessionId)).toBeUndefined();
  expect(
    await findUsedUpBudget(connection.prisma, { parentSessionId, ancestorIds }),
  ).toBeUndefined();
});

test("the workers of its workers count, and a worker that tells no cost counts nothing", async () => {
  // Fractions of two, which sum up exactly; two of the same cost are still two.
  const top = await spend(0.125);
  const child = await spend(0.25, top);
  await spend(0.25, child);
  await spend(null, child);
  await spend(50);
  const name = await limit(top.parentSessionId, 0.75);
  expect(await readParentBudget(connection.prisma, top.parentSessionId)).toEqual({
    parentSessionId: top.parentSessionId,
    name,
    maxCostUsd: 0.75,
    costUsd: 0.625,
    isUsedUp: false,
  });
  await spend(0.125, child);
  const after = await readParentBudget(connection.prisma, top.parentSessionId);
  expect(after).toMatchObject({ costUsd: 0.75, isUsedUp: true });
});

test("a limit holds for what is dispatched below its workers too, and is told with both figures", async () => {
  const { prisma } = connection;
  const top = await spend(0.1);
  const child = await spend(0.2, top);
  const name = await limit(top.parentSessionId, 0.25);
  const place = {
    parentSessionId: child.parentSessionId,
    ancestorIds: [...child.ancestorIds, child.id],
  };
  await expect(assertBudgetLeft(prisma, place)).rejects.toMatchObject({
    code: "LIMIT_EXCEEDED",
    message: expect.stringContaining(`${name} have cost $0.3 of the $0.25`),
    facts: { maxCostUsd: 0.25 },
  });
  await limit(top.parentSessionId, 0.31);
  await assertBudgetLeft(prisma, place);
});
