// Why a queued session waits: read from the rows when somebody asks, since it changes with every other one.
import type { Pool } from "../database/client.ts";

interface Position {
  readonly id: string;
  readonly position: number;
  readonly queued: number;
  readonly active: number;
  readonly capacity: number;
  readonly occupier: number | null;
  readonly ahead: number | null;
}

/** Reasons in the order of the ids, with one statement for all of them; null for those not queued. */
export async function queueReasons(pool: Pool, ids: readonly string[]): Promise<(string | null)[]> {
  const { rows } = await pool.query<Position>({
    name: "queue-reasons",
    text: `
      WITH line AS (
        SELECT id, number, priority, "repositoryId", branch,
               row_number() OVER (ORDER BY priority DESC, number)::int AS position,
               lag(number) OVER (PARTITION BY "repositoryId", branch ORDER BY priority DESC, number) AS ahead
        FROM "WorkerSession" WHERE status = 'QUEUED'
      ), busy AS (
        SELECT number, "repositoryId", branch FROM "WorkerSession"
        WHERE status IN ('PREPARING', 'RUNNING', 'WAITING')
      )
      SELECT line.id, line.position, line.ahead,
             (SELECT count(*) FROM busy)::int AS active,
             (SELECT coalesce(sum(capacity), 0) FROM "Runner"
              WHERE "leaseEndsAt" > now())::int AS capacity,
             (SELECT min(number) FROM busy
              WHERE busy."repositoryId" = line."repositoryId" AND busy.branch = line.branch) AS occupier
      FROM line WHERE line.id = ANY($1::uuid[])`,
    values: [ids],
  });
  const reasons = new Map(rows.map((row) => [row.id, describe(row)]));
  return ids.map((id) => reasons.get(id) ?? null);
}

function describe({ position, active, capacity, occupier, ahead }: Position): string {
  const blocker = occupier ?? ahead;
  if (blocker !== null) return `worktree busy with worker-${String(blocker)}`;
  return `${ordinal(position)} in the queue; ${String(active)} of ${String(capacity)} workers running`;
}

export function ordinal(value: number): string {
  const teen = value % 100 >= 11 && value % 100 <= 13;
  const suffix = teen ? "th" : (["th", "st", "nd", "rd"][value % 10] ?? "th");
  return `${String(value)}${suffix}`;
}
