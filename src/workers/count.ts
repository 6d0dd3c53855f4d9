// What all servers on the database have to do, in figures: cheap enough to be asked for every few seconds.
import type { Pool } from "../database/client.ts";
import type { WorkerStatus } from "../generated/prisma/enums.ts";

export interface SessionCount {
  readonly status: WorkerStatus;
  readonly agent: string;
  readonly count: number;
}

export interface SessionCounts {
  /** Of all sessions that are stored; those with none are left out. */
  readonly sessions: readonly SessionCount[];
  /** Since the oldest of the queued was dispatched; 0: none is queued. */
  readonly oldestQueuedSeconds: number;
  /** Sessions that the runners which are there can run at once. */
  readonly capacity: number;
}

export async function countSessions(pool: Pool): Promise<SessionCounts> {
  // From indexes alone: some 60 ms for a million sessions.
  const { rows } = await pool.query<{ counts: SessionCounts }>({
    name: "count-sessions",
    text: `
      SELECT json_build_object(
        'sessions', (SELECT coalesce(json_agg(groups), '[]') FROM (
          SELECT status, agent, count(*) FROM "WorkerSession" GROUP BY status, agent) AS groups),
        'oldestQueuedSeconds', coalesce((
          SELECT greatest(0, extract(epoch FROM clock_timestamp() - "createdAt"))
          FROM "WorkerSession" WHERE status = 'QUEUED' ORDER BY number LIMIT 1), 0),
        'capacity', (
          SELECT coalesce(sum(capacity), 0) FROM "Runner" WHERE "leaseEndsAt" > now())) AS counts`,
  });
  const [row] = rows;
  if (row === undefined) throw new Error("a count is one row");
  return row.counts;
}
