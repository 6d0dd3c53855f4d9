// Which queued sessions other runners must take.
import type { Database } from "../database/client.ts";
import { groupOf } from "./dispatch.ts";

/**
 * The groups of queued sessions that this runner leaves alone: those whose branch has its worktree on
 * another runner, and those whose agent can start on another one alone. A session whose first runner was
 * lost is bound to no worktree.
 */
export async function groupsForOthers(
  database: Database,
  runnerId: string,
  agents: readonly string[],
  graceMs: number,
): Promise<string[]> {
  const rows = await database.$queryRaw<{ repositoryId: string; branch: string }[]>`
    WITH other AS (
      SELECT id, "leaseEndsAt" > now() - ${graceMs} * interval '1 ms' AS alive, agents FROM "Runner" WHERE id <> ${runnerId}::uuid
    )
    SELECT DISTINCT session."repositoryId", session.branch
    FROM "WorkerSession" AS session
    WHERE session.status = 'QUEUED' AND EXISTS (SELECT 1 FROM other) AND (
      session.attempt = 1 AND EXISTS (
        SELECT 1 FROM "Worktree" AS worktree
        WHERE worktree."repositoryId" = session."repositoryId" AND worktree.branch = session.branch
          AND worktree."runnerId" <> ${runnerId}::uuid AND worktree.status <> 'FAILED'
      ) AND NOT EXISTS (
        SELECT 1 FROM "Worktree" AS own
        WHERE own."repositoryId" = session."repositoryId" AND own.branch = session.branch
          AND own."runnerId" = ${runnerId}::uuid
      )
      OR session.agent <> ALL(${agents}::text[]) AND EXISTS (
        SELECT 1 FROM other WHERE alive
          AND agents @> jsonb_build_array(jsonb_build_object('name', session.agent, 'unavailableReason', null))
      )
    )`;
  return rows.map(groupOf);
}
