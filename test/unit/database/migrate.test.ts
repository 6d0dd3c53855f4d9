import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import pg from "pg";
import { waitUntil } from "../../../src/database/embedded/postgres-processes.ts";
import { applyMigrations } from "../../../src/database/migrate.ts";
import { createDatabase, createEmptyDatabase, type TestDatabase } from "../../support/postgres.ts";
import { kill } from "./homes.ts";
import { query } from "./query.ts";

const program = fileURLToPath(new URL("apply-migrations.ts", import.meta.url));
let database: TestDatabase;
let folder: string;

beforeEach(async () => {
  database = await createEmptyDatabase();
  folder = await mkdtemp(join(tmpdir(), "factory-migrations-"));
});
afterEach(async () => {
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

async function addMigration(name: string, sql: string): Promise<void> {
  await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, name, "migration.sql"), sql);
}

const apply = (url = database.url) => applyMigrations(url, { folder });

test("migrations are applied once, in the order of their names", async () => {
  await addMigration("2_fill", "INSERT INTO numbers VALUES (42)");
  await addMigration("1_make", "CREATE TABLE numbers (n int)");
  expect(await apply()).toEqual(["1_make", "2_fill"]);
  expect(await apply()).toEqual([]);
  await addMigration("3_more", "INSERT INTO numbers VALUES (43); -- and no more");
  expect(await apply()).toEqual(["3_more"]);
  expect(await query(database.url, "SELECT n FROM numbers")).toEqual([{ n: 42 }, { n: 43 }]);
});

test("functions and blocks with semicolons in their bodies are applied whole", async () => {
  await addMigration(
    "1_functions",
    `CREATE FUNCTION answer() RETURNS int LANGUAGE plpgsql AS $$
     DECLARE result int; BEGIN result := 42; /* ; */ RETURN result; END $$;
     DO $body$ BEGIN PERFORM 1; CREATE TABLE made (id int); END $body$;
     CREATE UNIQUE INDEX one_made ON made (id) WHERE id > 0`,
  );
  await apply();
  expect(await query(database.url, "SELECT answer(), count(*)::int FROM made")).toEqual([
    { answer: 42, count: 0 },
  ]);
});

test("several processes that migrate at once apply each migration once", async () => {
  await addMigration("1_slow", "CREATE TABLE slow AS SELECT pg_sleep(0.3)::text");
  await addMigration("2_next", "CREATE TABLE next (id int)");
  const run = async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [program, database.url, folder]);
    return JSON.parse(stdout) as string[];
  };
  const applied = await Promise.all([run(), run(), run()]);
  expect(applied.flat().sort()).toEqual(["1_slow", "2_next"]);
});

test("a lock that another server keeps is waited for until the time is over", async () => {
  await addMigration("1_make", "CREATE TABLE numbers (n int)");
  const other = new pg.Client({ connectionString: database.url });
  await other.connect();
  try {
    await other.query("SELECT pg_advisory_lock(1717658484)");
    await expect(
      applyMigrations(database.url, { folder, lockTimeoutMs: 100 }),
    ).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    const applying = apply();
    await other.query("SELECT pg_advisory_unlock(1717658484)");
    expect(await applying).toEqual(["1_make"]);
  } finally {
    await other.end();
  }
});

test("a database of a newer version is refused, with the migrations that are unknown here", async () => {
  await addMigration("1_make", "CREATE TABLE numbers (n int)");
  await addMigration("2_newer", "CREATE TABLE newer (n int)");
  await apply();
  await rm(join(folder, "2_newer"), { recursive: true });
  await expect(apply()).rejects.toMatchObject({
    code: "SERVICE_UNAVAILABLE",
    message: expect.stringMatching(/newer version of Factory.*2_newer.*Start the newer version/),
    facts: { unknownMigrations: ["2_newer"] },
  });
});

test("a migration that fails leaves nothing, is told at each start, and can be tried again", async () => {
  await addMigration("1_make", "CREATE TABLE numbers (n int)");
  await addMigration("2_bad", "CREATE TABLE half (n int); INSERT INTO no_such_table VALUES (1);");
  const failure = await apply().catch((error: unknown) => error as Error);
  expect(failure).toMatchObject({
    code: "SERVICE_UNAVAILABLE",
    message: expect.stringMatching(/no_such_table/),
  });
  expect(await query(database.url, "SELECT to_regclass('half') AS half")).toEqual([{ half: null }]);

  await addMigration("2_bad", "CREATE TABLE half (n int)");
  const again = await apply().catch((error: unknown) => error as Error);
  expect(again).toMatchObject({
    code: "SERVICE_UNAVAILABLE",
    message: expect.stringMatching(/2_bad failed at an earlier start.*no_such_table/),
  });
  // What the message says to do.
  const advice = /UPDATE.*finished_at IS NULL/.exec((again as Error).message);
  await query(database.url, advice![0]);
  expect(await apply()).toEqual(["2_bad"]);
});

test("a server killed in the middle of a migration leaves nothing, and the next one begins it anew", async () => {
  await addMigration("1_make", "CREATE TABLE numbers (n int)");
  await addMigration("2_slow", "CREATE TABLE slow (n int); SELECT pg_sleep(1000)");
  const child = spawn(process.execPath, [program, database.url, folder], { stdio: "ignore" });
  await once(child, "spawn");
  const sleepers = `SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event = 'PgSleep'`;
  await waitUntil(async () => (await query(database.url, sleepers)).length === 1, 20_000);
  await kill(child);
  await query(database.url, sleepers.replace("SELECT pid", "SELECT pg_terminate_backend(pid)"));
  await addMigration("2_slow", "CREATE TABLE slow (n int)");
  expect(await apply()).toEqual(["2_slow"]);
});

test("a migration's finish is recorded in its own transaction", async () => {
  await addMigration(
    "1_watch",
    `CREATE TABLE finishes (name text, transaction text);
     CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       INSERT INTO finishes VALUES (NEW.migration_name, pg_current_xact_id()::text); RETURN NULL;
     END $$;
     CREATE TRIGGER watch AFTER UPDATE OF finished_at ON "_prisma_migrations"
       FOR EACH ROW EXECUTE FUNCTION watch()`,
  );
  await addMigration(
    "2_next",
    "CREATE TABLE next AS SELECT pg_current_xact_id()::text AS transaction",
  );
  await apply();
  const finishes = "SELECT name FROM finishes JOIN next USING (transaction)";
  expect(await query(database.url, finishes)).toEqual([{ name: "2_next" }]);
});

test("a user who may not create databases can apply migrations", async () => {
  await addMigration("1_make", "CREATE TABLE numbers (n int)");
  const role = new URL(database.url).pathname.slice(1).replace("test_", "role_");
  await query(database.url, `CREATE ROLE ${role} LOGIN NOSUPERUSER NOCREATEDB PASSWORD 'secret'`);
  await query(database.url, `ALTER SCHEMA public OWNER TO ${role}`);
  const url = new URL(database.url);
  url.username = role;
  url.password = "secret";
  try {
    expect(await apply(url.href)).toEqual(["1_make"]);
  } finally {
    await query(database.url, `DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
  }
});

test("the template of the test databases has this checkout's migrations", async () => {
  const migrated = await createDatabase();
  try {
    expect(await applyMigrations(migrated.url)).toEqual([]);
  } finally {
    await migrated.drop();
  }
});
