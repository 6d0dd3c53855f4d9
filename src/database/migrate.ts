import { FactoryError } from "../errors.ts";
import { withClient } from "./migration/client.ts";
import { forgetInterrupted, readHistory, type MigrationHistory } from "./migration/history.ts";
import { takeMigrationLock } from "./migration/lock.ts";
import { listMigrationNames, ownMigrations, readMigrations } from "./migration/migration-folder.ts";
import { withSchemaEngine } from "./migration/schema-engine.ts";

export interface ApplyOptions {
  /** Where the migrations are; by default prisma/migrations of this checkout. */
  readonly folder?: string;
  /** How long to wait for another server that migrates, in milliseconds. Default: two minutes. */
  readonly lockTimeoutMs?: number;
}

/**
 * Brings the database up to this version of Factory. Several servers may do so at once: one applies, the
 * others wait and find nothing left to do. The database's user needs no CREATEDB.
 * @returns the names of the migrations that were applied now.
 * @throws FactoryError SERVICE_UNAVAILABLE when the database belongs to a newer version, an earlier
 * migration failed, this one fails, or the lock can't be had in time.
 */
export async function applyMigrations(url: string, options: ApplyOptions = {}): Promise<string[]> {
  const { folder = ownMigrations, lockTimeoutMs = 120_000 } = options;
  return withClient(url, async (client) => {
    await takeMigrationLock(client, lockTimeoutMs);
    const names = await listMigrationNames(folder);
    const history = await readHistory(client);
    refuseUnknown(history, names);
    refuseFailed(history);
    // At nearly every start nothing is left to do: the engine costs 12 MB and a tenth of a second.
    if (names.every((name) => history.finished.includes(name))) return [];
    if (history.interrupted.length > 0) await forgetInterrupted(client);
    const migrationsList = await readMigrations(folder);
    const filters = { externalTables: [], externalEnums: [] };
    try {
      const applied = await withSchemaEngine({ url }, (engine) =>
        engine.applyMigrations({ migrationsList, filters }),
      );
      return applied.appliedMigrationNames;
    } catch (error) {
      throw new FactoryError(
        "SERVICE_UNAVAILABLE",
        `The database could not be brought up to this version of Factory, and is as it was before the ` +
          `migration that failed: ${withoutTrace(error)}`,
        { cause: error },
      );
    }
  });
}

function refuseUnknown(history: MigrationHistory, names: readonly string[]): void {
  const { finished, interrupted, failed } = history;
  const all = [...finished, ...interrupted, ...failed.map(({ name }) => name)];
  const unknown = all.filter((name) => !names.includes(name));
  if (unknown.length === 0) return;
  throw new FactoryError(
    "SERVICE_UNAVAILABLE",
    `The database belongs to a newer version of Factory: this one doesn't know its migrations ` +
      `${unknown.join(", ")}. Start the newer version, or restore a copy of the database from before ` +
      `its update.`,
    { facts: { unknownMigrations: unknown } },
  );
}

function refuseFailed({ failed: [failed] }: MigrationHistory): void {
  if (failed === undefined) return;
  throw new FactoryError(
    "SERVICE_UNAVAILABLE",
    `The migration ${failed.name} failed at an earlier start, and nothing of it is in the database: ` +
      `${withoutTrace(failed.log)}. Remove the cause, let it be tried again with UPDATE ` +
      `"_prisma_migrations" SET rolled_back_at = now() WHERE migration_name = '${failed.name}' AND ` +
      `finished_at IS NULL, and start again.`,
    { facts: { failedMigration: failed.name } },
  );
}

/** The engine's message, without the places in its Rust code that follow it. */
function withoutTrace(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text
    .replace(/\n\s*0: [^]*$/, "")
    .replace(/\s*\n\s*/g, ": ")
    .trim();
}
