import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { connectDatabase, type DatabaseConnection } from "../../../src/database/client.ts";
import { chooseRunner } from "../../../src/runners/choose.ts";
import { createDatabase, type TestDatabase } from "../../support/postgres.ts";

let database: TestDatabase;
let connection: DatabaseConnection;

beforeAll(async () => {
  database = await createDatabase();
  connection = connectDatabase(database.url, () => undefined);
});

afterAll(async () => {
  await connection.close();
  await database.drop();
});

beforeEach(() => connection.prisma.runner.deleteMany());

/** With a lease that ended so many seconds ago. */
async function addRunner(name: string, endedSeconds: number): Promise<string> {
  const { id } = await connection.prisma.runner.create({
    data: {
      id: crypto.randomUUID(),
      name,
      host: name,
      version: "1",
      capacity: 4,
      leaseEndsAt: new Date(Date.now() - endedSeconds * 1000),
    },
  });
  return id;
}

const judge = (runnerId: string | undefined, graceSeconds = 0) => ({
  runnerId,
  graceMs: () => graceSeconds * 1000,
});

test("a runner that asks counts itself, whatever its lease says", async () => {
  const own = await addRunner("own", 240);
  const other = await addRunner("other", 240);
  expect(await chooseRunner(connection.prisma, other, judge(own))).toBe(own);
});

test("after an outage the others count as they did before it", async () => {
  await addRunner("long gone", 600);
  const other = await addRunner("other", 200);
  const choose = (graceSeconds: number) =>
    chooseRunner(connection.prisma, undefined, judge(undefined, graceSeconds));
  expect(await choose(240)).toBe(other);
  await expect(choose(0)).rejects.toMatchObject({ code: "RUNNER_UNAVAILABLE" });
});
