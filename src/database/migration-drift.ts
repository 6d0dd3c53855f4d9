// For those who change the schema: what the migrations lack, and a new one that has it.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FactoryError } from "../errors.ts";
import { listMigrationNames, ownMigrations, readMigrations } from "./migration/migration-folder.ts";
import { withSchemaEngine } from "./migration/schema-engine.ts";

/** prisma/schema.prisma of this checkout. */
export function readSchema(): Promise<string> {
  return readFile(new URL("../../prisma/schema.prisma", import.meta.url), "utf8");
}

/**
 * The SQL from what the migrations come to, to the schema; null where they agree. It is found out in a
 * database of its own on the server that `url` names, which needs CREATEDB. What Prisma's language can't
 * say, such as functions and partial indexes, is not compared.
 */
export async function migrationDrift(
  url: string,
  schemaText: string,
  folder = ownMigrations,
): Promise<string | null> {
  const migrations = await readMigrations(folder);
  const result = await withSchemaEngine({ url, schema: schemaText }, (engine) =>
    engine.diff({
      from: { tag: "migrations", ...migrations },
      to: { tag: "schemaDatamodel", files: [{ path: "schema.prisma", content: schemaText }] },
      script: true,
      exitCode: true,
      filters: { externalTables: [], externalEnums: [] },
    }),
  );
  // 2: there is a difference; 0: there is none, and stdout says so in a comment.
  return result.exitCode === 2 ? result.stdout : null;
}

/**
 * Writes a migration for what the schema has and the migrations lack.
 * @param name lower case letters, digits and underscores.
 * @returns its folder; null where nothing is lacking.
 * @throws FactoryError BAD_INPUT for another name.
 */
export async function writeMigration(
  url: string,
  name: string,
  { folder = ownMigrations, schemaText }: { folder?: string; schemaText?: string } = {},
): Promise<string | null> {
  if (!/^[a-z][a-z0-9_]{0,63}$/.test(name)) {
    throw new FactoryError(
      "BAD_INPUT",
      `A migration's name has lower case letters, digits and underscores, such as add_priority: ${name}`,
    );
  }
  await mkdir(folder, { recursive: true });
  const sql = await migrationDrift(url, schemaText ?? (await readSchema()), folder);
  if (sql === null) return null;
  const time = new Date().toISOString().replace(/\D/g, "").slice(0, 14);
  const last = (await listMigrationNames(folder)).at(-1);
  if (last !== undefined && last >= time) {
    throw new FactoryError(
      "BAD_INPUT",
      `Migrations are applied in the order of their names, and ${last} is later than now. Rename it first.`,
    );
  }
  const path = join(folder, `${time}_${name}`);
  await mkdir(path);
  await writeFile(join(path, "migration.sql"), sql);
  return path;
}
