// How many of a runner's slots are taken. A session that waits for a permission computes nothing, and takes none.
import type { Database } from "../database/client.ts";
import type { WorkerStatus } from "../generated/prisma/enums.ts";

interface Held {
  readonly id: string;
  readonly status: WorkerStatus;
}

/**
 * @param held what the runner holds by the rows
 * @param underway what this process works on; some of it may have ended by its row, and be cleaned up still
 * @param capacity also the most that wait without a slot: their agents are processes, which take memory
 */
export async function countTaken(
  database: Database,
  held: readonly Held[],
  underway: Iterable<string>,
  capacity: number,
): Promise<number> {
  const all = new Set([...underway, ...held.map(({ id }) => id)]);
  const waiting = held.filter(({ status }) => status === "WAITING").map(({ id }) => id);
  if (waiting.length === 0) return all.size;
  return all.size - Math.min(await countIdle(database, waiting), capacity);
}

/** Those of them of which no tool runs but the one that is asked for. */
async function countIdle(database: Database, waiting: readonly string[]): Promise<number> {
  const [row] = await database.$queryRaw<{ idle: number }[]>`
    SELECT count(*)::int AS idle FROM "WorkerSession" AS session
    WHERE id = ANY(${waiting}::uuid[]) AND NOT EXISTS (
      SELECT 1 FROM jsonb_path_query(session.talk, '$.state.toolCalls[*]') AS call
      WHERE call->1->>'status' = 'RUNNING' AND NOT jsonb_path_exists(
        session.talk, '$.state.asked.* ? (@.toolCallId == $id)',
        jsonb_build_object('id', call->0)
      )
    )`;
  return row?.idle ?? 0;
}
