import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import {
  migrationDrift,
  readSchema,
  writeMigration,
} from "../../../src/database/migration-drift.ts";
import { createEmptyDatabase, type TestDatabase } from "../../support/postgres.ts";
import { query } from "./query.ts";

const schemaOf = (fields: string) =>
  `datasource db {\n  provider = "postgresql"\n}\nmodel Thing {\n  id Int @id\n${fields}}\n`;

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

test("a new migration holds what the schema has and the migrations lack", async () => {
  const path = await writeMigration(database.url, "init", { folder, schemaText: schemaOf("") });
  expect(path).toMatch(/\/\d{14}_init$/);
  expect(await migrationDrift(database.url, schemaOf(""), folder)).toBeNull();
  const wider = schemaOf("  name String @unique\n");
  expect(await migrationDrift(database.url, wider, folder)).toContain('ADD COLUMN     "name" TEXT');
  expect(
    await writeMigration(database.url, "again", { folder, schemaText: schemaOf("") }),
  ).toBeNull();
});

test("functions, partial indexes and triggers, which the schema can't say, are no drift", async () => {
  const schema = schemaOf("  state String\n");
  const path = await writeMigration(database.url, "init", { folder, schemaText: schema });
  await mkdir(join(folder, "99999999999999_by_hand"));
  await writeFile(
    join(folder, "99999999999999_by_hand", "migration.sql"),
    `CREATE UNIQUE INDEX one_running ON "Thing" (state) WHERE state = 'RUNNING';
     CREATE INDEX by_state ON "Thing" (id DESC, state) WHERE state = 'QUEUED';
     CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END; $$;
     CREATE TRIGGER before BEFORE INSERT ON "Thing" FOR EACH ROW EXECUTE FUNCTION nothing();`,
  );
  expect(await migrationDrift(database.url, schema, folder)).toBeNull();
  expect(await readFile(join(path!, "migration.sql"), "utf8")).toContain("CREATE TABLE");
});

test("an index that the schema lacks is drift", async () => {
  const schema = schemaOf("  state String\n");
  const path = await writeMigration(database.url, "init", { folder, schemaText: schema });
  await cp(path!, join(folder, "99999999999999_by_hand"), { recursive: true });
  await writeFile(
    join(folder, "99999999999999_by_hand", "migration.sql"),
    `CREATE INDEX whole ON "Thing" (state)`,
  );
  expect(await migrationDrift(database.url, schema, folder)).toContain('DROP INDEX "whole"');
});

test("a drift check leaves no database behind, also when a migration fails in it", async () => {
  await writeMigration(database.url, "init", { folder, schemaText: schemaOf("") });
  await migrationDrift(database.url, schemaOf(""), folder);
  await mkdir(join(folder, "99999999999999_bad"));
  await writeFile(join(folder, "99999999999999_bad", "migration.sql"), "DROP TABLE no_such_table");
  await expect(migrationDrift(database.url, schemaOf(""), folder)).rejects.toThrow("no_such_table");
  expect(
    await query(
      database.url,
      "SELECT datname FROM pg_database WHERE datname LIKE 'factory\\_shadow\\_%'",
    ),
  ).toEqual([]);
});

test("a name that could lead out of the folder is refused", async () => {
  await expect(
    writeMigration(database.url, "../init", { folder, schemaText: schemaOf("") }),
  ).rejects.toMatchObject({ code: "BAD_INPUT" });
});

test("this checkout's migrations and schema agree", async () => {
  expect(await migrationDrift(database.url, await readSchema())).toBeNull();
});
