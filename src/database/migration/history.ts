// Prisma's table of what was applied, as its engine keeps it.
import type pg from "pg";

export interface MigrationHistory {
  readonly finished: readonly string[];
  /** Begun by a server that was killed. */
  readonly interrupted: readonly string[];
  /** With what the engine wrote down of the error. */
  readonly failed: readonly { readonly name: string; readonly log: string }[];
}

/**
 * The last statement of each migration's transaction: with it, a migration whose finish isn't recorded
 * wasn't applied, also where the server was killed between the two. Migrations run one at a time, so
 * that there is one such row at most.
 */
export const recordFinish =
  'UPDATE "_prisma_migrations" SET finished_at = now() WHERE finished_at IS NULL AND rolled_back_at IS NULL';

/** Empty where nothing was ever applied. */
export async function readHistory(client: pg.Client): Promise<MigrationHistory> {
  const table = await client.query<{ found: boolean }>(
    `SELECT to_regclass('"_prisma_migrations"') IS NOT NULL AS found`,
  );
  if (table.rows[0]?.found !== true) return { finished: [], interrupted: [], failed: [] };
  const { rows } = await client.query<{ name: string; finished: boolean; log: string }>(
    `SELECT migration_name AS name, finished_at IS NOT NULL AS finished, coalesce(logs, '') AS log
     FROM "_prisma_migrations" WHERE rolled_back_at IS NULL ORDER BY started_at`,
  );
  return {
    finished: rows.filter((row) => row.finished).map((row) => row.name),
    interrupted: rows.filter((row) => !row.finished && row.log === "").map((row) => row.name),
    failed: rows.filter((row) => !row.finished && row.log !== ""),
  };
}

/**
 * Puts aside what a killed server had begun, so that it is begun anew: nothing of it is in the database.
 * Only under the lock that keeps others from migrating.
 */
export async function forgetInterrupted(client: pg.Client): Promise<void> {
  await client.query(
    `UPDATE "_prisma_migrations" SET rolled_back_at = now()
     WHERE finished_at IS NULL AND rolled_back_at IS NULL AND coalesce(logs, '') = ''`,
  );
}
