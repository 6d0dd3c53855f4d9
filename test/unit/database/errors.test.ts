import { afterAll, beforeAll, expect, test } from "@jest/globals";
import pg from "pg";
import { connectDatabase, type DatabaseConnection } from "../../../src/database/client.ts";
import { isOutage } from "../../../src/database/errors.ts";
import { createDatabase, type TestDatabase } from "../../support/postgres.ts";
import { eventually } from "../../support/workers.ts";

let database: TestDatabase;
let connection: DatabaseConnection;
let other: pg.Client;

beforeAll(async () => {
  database = await createDatabase();
  connection = connectDatabase(database.url, () => undefined);
  other = new pg.Client({ connectionString: database.url });
  await other.connect();
});

afterAll(async () => {
  await other.end();
  await connection.close();
  await database.drop();
});

async function terminate(pid: number | undefined): Promise<void> {
  await other.query("SELECT pg_terminate_backend($1)", [pid]);
  await eventually(async () => {
    const { rowCount } = await other.query("SELECT 1 FROM pg_stat_activity WHERE pid = $1", [pid]);
    return rowCount === 0;
  });
}

test("a connection that breaks within a transaction, between two statements, is an outage", async () => {
  const broken = connection.prisma.$transaction(async (transaction) => {
    const [row] = await transaction.$queryRaw<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
    await terminate(row?.pid);
    return transaction.$queryRaw`SELECT 1`;
  });
  const error: unknown = await broken.catch((reason: unknown) => reason);
  expect([isOutage(error), String(error)]).toEqual([true, expect.anything()]);
});

test("what the database refuses is none", async () => {
  const refused = connection.prisma.$queryRaw`SELECT 1 / 0`;
  expect(isOutage(await refused.catch((reason: unknown) => reason))).toBe(false);
});
