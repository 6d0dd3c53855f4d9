import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { MigrationList } from "@prisma/schema-engine-wasm/schema_engine_bg";

/** prisma/migrations of this checkout. */
export const ownMigrations = fileURLToPath(new URL("../../../prisma/migrations", import.meta.url));

/** Oldest first. Each is a folder that holds a migration.sql; its name begins with its time. */
export async function listMigrationNames(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

/** What the engine wants to know of the folder: it can't read files itself. */
export async function readMigrations(folder: string): Promise<MigrationList> {
  const names = await listMigrationNames(folder);
  return {
    baseDir: folder,
    shadowDbInitScript: "",
    lockfile: { path: "migration_lock.toml", content: 'provider = "postgresql"\n' },
    migrationDirectories: await Promise.all(
      names.map(async (name) => {
        const value = await readFile(join(folder, name, "migration.sql"), "utf8");
        const content = { tag: "ok" as const, value };
        return { path: name, migrationFile: { path: "migration.sql", content } };
      }),
    ),
  };
}
