// The workers below a parent: its own, theirs, and so on.
import type { Database } from "../database/client.ts";

/** More than these would be no family that anybody looks at as one. */
const mostParents = 10_000;

/**
 * The ids of the parent and of every worker below it that is itself a parent, the nearest first: whoever has one of
 * them as its parent session is a descendant.
 */
export async function parentsWithin(database: Database, parentId: string): Promise<string[]> {
  const rows = await database.$queryRaw<{ id: string }[]>`
    WITH RECURSIVE family AS (
      SELECT ${parentId}::uuid AS id
      UNION ALL
      SELECT below.id FROM family
        JOIN "WorkerSession" AS worker ON worker."parentSessionId" = family.id
        JOIN "ParentSession" AS below ON below."workerId" = worker.id
    )
    SELECT id FROM family LIMIT ${mostParents}`;
  return rows.map(({ id }) => id);
}
