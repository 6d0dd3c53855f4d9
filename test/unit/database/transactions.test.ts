// What a clock ends is whole or isn't, also where one operation is several statements.
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
  connection = connectDatabase(database.url, () => undefined, 300);
  other = new pg.Client({ connectionString: database.url, application_name: "test" });
  await other.connect();
});

afterAll(async () => {
  await other.end();
  await connection.close();
  await database.drop();
});

async function count(table: string): Promise<number> {
  const { rows } = await other.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM "${table}"`,
  );
  return rows[0]?.count ?? -1;
}

const untilNobodyElseIsActive = () =>
  eventually(async () => {
    const { rowCount } = await other.query(
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
         AND application_name = 'factory' AND state <> 'idle'`,
    );
    return rowCount === 0;
  });

/** A parent, its stream, a worker of it and that one's stream: four rows, in four statements or more. */
const family = {
  data: {
    name: "me",
    stream: { create: { key: "parent" } },
    workerSessions: {
      create: {
        status: "QUEUED" as const,
        task: "true",
        agent: "shell",
        branch: "main",
        branchGiven: true,
        repositoryOwner: "acme",
        repositoryName: "app",
        stream: { create: { key: "worker" } },
      },
    },
  },
};

test.each([
  [
    "in a transaction",
    () => connection.prisma.$transaction((own) => own.parentSession.create(family)),
  ],
  ["of its own", () => connection.prisma.parentSession.create(family)],
])(
  "an operation %s that waits too long in its middle leaves nothing behind",
  async (_where, act) => {
    await other.query("BEGIN");
    // Its first statement goes through, the second waits.
    await other.query('LOCK TABLE "ParentSession" IN SHARE MODE');
    const error: unknown = await act().catch((reason: unknown) => reason);
    await other.query("COMMIT");
    expect(isOutage(error) ? "outage" : String(error)).toBe("outage");
    await untilNobodyElseIsActive();
    expect(await count("Stream")).toBe(0);
    expect(await count("ParentSession")).toBe(0);
    // The next one is served.
    await expect(connection.prisma.stream.count()).resolves.toBe(0);
  },
);

test("a transaction that pauses too long is ended by Postgres, and nothing of it stays", async () => {
  const paused = connection.prisma.$transaction(async (own) => {
    await own.stream.create({ data: { key: "first" } });
    const gone = await own.$queryRaw<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
    await eventually(async () => {
      const pid = gone[0]?.pid;
      const left = await other.query("SELECT 1 FROM pg_stat_activity WHERE pid = $1", [pid]);
      return left.rowCount === 0;
    });
    await own.stream.create({ data: { key: "second" } });
  });
  const error: unknown = await paused.catch((reason: unknown) => reason);
  expect(isOutage(error) ? "outage" : String(error)).toBe("outage");
  expect(await count("Stream")).toBe(0);
});

test("many short statements that together take too long are ended as a whole", async () => {
  const { rows } = await other.query(
    "SELECT 1 WHERE current_setting('transaction_timeout', true) IS NULL",
  );
  // Postgres 15 and 16 limit each statement alone.
  if (rows.length > 0) return;
  const long = connection.prisma.$transaction(async (own) => {
    for (let part = 0; part < 20; part += 1) {
      await own.stream.create({ data: { key: `part ${String(part)}` } });
      await own.$queryRaw`SELECT pg_sleep(0.1)::text`;
    }
  });
  const error: unknown = await long.catch((reason: unknown) => reason);
  expect(isOutage(error) ? "outage" : String(error)).toBe("outage");
  expect(await count("Stream")).toBe(0);
});
