import type { Database } from "../database/client.ts";

/** Tells everybody why the runner starts nothing at the moment; null: it does. */
export async function tellWaiting(
  database: Database,
  runnerId: string,
  waitReason: string | null,
): Promise<void> {
  await database.runner.update({ where: { id: runnerId }, data: { waitReason } });
}
