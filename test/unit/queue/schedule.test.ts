import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { pino } from "pino";
import { connectDatabase, type DatabaseConnection } from "../../../src/database/client.ts";
import { startQueue, type WorkQueue } from "../../../src/queue/queue.ts";
import { createDatabase, type TestDatabase } from "../../support/postgres.ts";

let database: TestDatabase;
let connection: DatabaseConnection;
const queues: WorkQueue[] = [];
const logged: string[] = [];

beforeAll(async () => {
  database = await createDatabase();
  connection = connectDatabase(database.url, () => {});
});

afterEach(async () => {
  await Promise.all(queues.splice(0).map((queue) => queue.stop()));
});

afterAll(async () => {
  await connection.close();
  await database.drop();
});

async function startServer(): Promise<WorkQueue> {
  const logger = pino({ level: "error" }, { write: (line: string) => logged.push(line) });
  const queue = await startQueue(database.url, logger);
  queues.push(queue);
  return queue;
}

async function rows(statement: string): Promise<Record<string, unknown>[]> {
  const result = await connection.pool.query<Record<string, unknown>>(statement);
  return result.rows;
}

const yearly = "0 0 1 1 *";

describe("a schedule", () => {
  test("runs once after its start, and a failure is logged and ends nothing", async () => {
    const queue = await startServer();
    const { promise, resolve } = Promise.withResolvers<void>();
    await queue.schedule({
      name: "test/fails",
      cron: yearly,
      firstAfterSeconds: 0,
      run() {
        resolve();
        return Promise.reject(new Error("on purpose"));
      },
    });
    await promise;
    const second = Promise.withResolvers<void>();
    await (
      await startServer()
    ).schedule({
      name: "test/fails",
      cron: yearly,
      firstAfterSeconds: 0,
      async run() {
        second.resolve();
      },
    });
    await second.promise;
    expect(logged.join("")).toContain("on purpose");
  });

  test("is there once, with the times of the last start, and one run at most waits", async () => {
    for (const cron of [yearly, "5 4 * * *", "6 4 * * *"]) {
      const queue = await startServer();
      await queue.schedule({
        name: "test/once",
        cron,
        firstAfterSeconds: 3600,
        run: () => Promise.resolve(),
      });
    }
    expect(await rows(`SELECT cron FROM pgboss.schedule WHERE name = 'test/once'`)).toEqual([
      { cron: "6 4 * * *" },
    ]);
    expect(await rows(`SELECT state FROM pgboss.job WHERE name = 'test/once'`)).toEqual([
      { state: "created" },
    ]);
  });

  test("that is ended is forgotten; one that never was is no error", async () => {
    const queue = await startServer();
    await queue.schedule({ name: "test/ended", cron: yearly, run: () => Promise.resolve() });
    await queue.unschedule("test/ended");
    await queue.unschedule("test/never");
    expect(await rows(`SELECT name FROM pgboss.schedule WHERE name LIKE 'test/e%'`)).toEqual([]);
  });
});
