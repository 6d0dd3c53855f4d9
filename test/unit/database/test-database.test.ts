import { afterAll, expect, test } from "@jest/globals";
import pg from "pg";
import { createDatabase, type TestDatabase } from "../../support/postgres.ts";
import { query } from "./query.ts";

const databases: TestDatabase[] = [];
afterAll(async () => {
  for (const database of databases) await database.drop();
});

test("test databases are migrated and independent of each other, also when made at once", async () => {
  databases.push(...(await Promise.all([createDatabase(), createDatabase(), createDatabase()])));
  const [first, second] = databases;
  await query(first!.url, `INSERT INTO "Stream" (id, key) VALUES (gen_random_uuid(), 'one')`);
  expect(await query(first!.url, `SELECT key FROM "Stream"`)).toEqual([{ key: "one" }]);
  expect(await query(second!.url, `SELECT key FROM "Stream"`)).toEqual([]);
});

test("a dropped test database is gone, with the connections that were left open", async () => {
  const database = await createDatabase();
  const client = new pg.Client({ connectionString: database.url });
  const errors: string[] = [];
  const ended = new Promise((resolve) => client.once("end", resolve));
  client.on("error", (error) => errors.push(error.message));
  await client.connect();
  await database.drop();
  await ended;
  expect(errors).toContain("terminating connection due to administrator command");
  await expect(query(database.url, "SELECT 1")).rejects.toThrow("does not exist");
});
