// Why a queued session waits: read from the rows when somebody asks, since it changes with every other one.
import type { Pool } from "../database/client.ts";

interface Position {
  readonly id: string;
  readonly position: number;
  readonly queued: number;
  readonly active: number;
  /** For a permission: they take no slot, but one runner holds only as many of them as it has slots. */
  readonly waiting: number;
  readonly capacity: number;
  readonly occupier: number | null;
  readonly ahead: number | null;
  /** The runner that holds its worktree, where that is away. */
  readonly away: string | null;
  /** Why no runner starts anything; null: one does. */
  readonly short: string | null;
}

/** Reasons in the order of the ids, with one statement for all of them; null for those not queued. */
export async function queueReasons(pool: Pool, ids: readonly string[]): Promise<(string | null)[]> {
  const { rows } = await pool.query<Position>({
    name: "queue-reasons",
    text: `
      WITH line AS (
        SELECT id, number, priority, "repositoryId", branch,
               attempt, row_number() OVER (ORDER BY priority DESC, number)::int AS position,
               lag(number) OVER (PARTITION BY "repositoryId", branch ORDER BY priority DESC, number) AS ahead
        FROM "WorkerSession" WHERE status = 'QUEUED'
      ), busy AS (
        SELECT number, "repositoryId", branch, status FROM "WorkerSession"
        WHERE status IN ('PREPARING', 'RUNNING', 'WAITING')
      )
      SELECT line.id, line.position, line.ahead,
             (SELECT count(*) FROM busy WHERE status <> 'WAITING')::int AS active,
             (SELECT count(*) FROM busy WHERE status = 'WAITING')::int AS waiting,
             (SELECT coalesce(sum(capacity), 0) FROM "Runner"
              WHERE "leaseEndsAt" > now())::int AS capacity,
             (SELECT CASE WHEN bool_and("waitReason" IS NOT NULL) THEN min("waitReason") END
              FROM "Runner" WHERE "leaseEndsAt" > now()) AS short,
             (SELECT min(number) FROM busy
              WHERE busy."repositoryId" = line."repositoryId" AND busy.branch = line.branch) AS occupier,
             -- One whose first runner was lost is bound to no worktree.
             (SELECT CASE WHEN bool_or(runner."leaseEndsAt" > now()) THEN NULL ELSE min(runner.name) END
              FROM "Worktree" AS worktree JOIN "Runner" AS runner ON runner.id = worktree."runnerId"
              WHERE worktree."repositoryId" = line."repositoryId" AND worktree.branch = line.branch
                AND worktree.status <> 'FAILED' AND line.attempt = 1) AS away
      FROM line WHERE line.id = ANY($1::uuid[])`,
    values: [ids],
  });
  const reasons = new Map(rows.map((row) => [row.id, describe(row)]));
  return ids.map((id) => reasons.get(id) ?? null);
}

function describe(found: Position): string {
  const { position, active, waiting, capacity, occupier, ahead, away, short } = found;
  if (away !== null) return `the runner ${away}, which holds its worktree, is away`;
  const blocker = occupier ?? ahead;
  if (blocker !== null) return `worktree busy with worker-${String(blocker)}`;
  if (short !== null && active < capacity) return `${ordinal(position)} in the queue; ${short}`;
  const rest = waiting === 0 ? "" : `, ${String(waiting)} waiting for an answer`;
  return `${ordinal(position)} in the queue; ${String(active)} of ${String(capacity)} workers running${rest}`;
}

export function ordinal(value: number): string {
  const teen = value % 100 >= 11 && value % 100 <= 13;
  const suffix = teen ? "th" : (["th", "st", "nd", "rd"][value % 10] ?? "th");
  return `${String(value)}${suffix}`;
}
