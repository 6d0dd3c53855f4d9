// What years of use leave in the database, inserted at once.
import type pg from "pg";

export interface History {
  readonly parents: number;
  /** Ended ones, of each parent. */
  readonly sessions: number;
  /** Of each session, on its own stream; its parent's has four more for each. */
  readonly events: number;
}

export const historyParent = "history-1";

/** A tenth of the sessions worked in the repository, the others in one that is gone. */
export async function addHistory(
  client: pg.Client,
  { parents, sessions, events }: History,
  repository: { readonly owner: string; readonly name: string },
): Promise<void> {
  // Foreign keys are true by what is inserted; to check five million takes longer than to insert them.
  await client.query("SET session_replication_role = replica");
  await client.query(`
    WITH streams AS (
      INSERT INTO "Stream" (id, key)
      SELECT gen_random_uuid(), 'parent:history-' || n FROM generate_series(1, ${String(parents)}) AS n
      RETURNING id, key
    )
    INSERT INTO "ParentSession" (id, name, "streamId")
    SELECT gen_random_uuid(), substr(key, 8), id FROM streams`);
  await client.query(
    `WITH numbers AS (
       SELECT nextval(pg_get_serial_sequence('"WorkerSession"', 'number'))::int AS number
       FROM generate_series(1, ${String(parents * sessions)})
     ), streams AS (
       INSERT INTO "Stream" (id, key, "lastSequence")
       SELECT gen_random_uuid(), 'worker:' || number, ${String(events)} FROM numbers
       RETURNING id, substr(key, 8)::int AS number
     )
     INSERT INTO "WorkerSession" (id, number, status, task, agent, branch, "branchGiven",
       "repositoryId", "repositoryOwner", "repositoryName", "exitCode", "createdAt", "startedAt",
       "finishedAt", "parentSessionId", "streamId")
     SELECT gen_random_uuid(), number,
       CASE WHEN number % 20 = 0 THEN 'FAILED' WHEN number % 50 = 1 THEN 'CANCELLED' ELSE 'SUCCEEDED' END
         ::"WorkerStatus",
       'npm test', 'shell', 'worker-' || number, false,
       CASE WHEN number % 10 = 0 THEN repository.id END, $1, $2, 0, now(), now(), now(),
       parent.id, streams.id
     FROM streams
     JOIN "ParentSession" AS parent ON parent.name = 'history-' || (number % ${String(parents)} + 1)
     JOIN "Repository" AS repository ON repository.owner = $1 AND repository.name = $2
     ORDER BY number`,
    [repository.owner, repository.name],
  );
  await client.query(`
    INSERT INTO "Event" ("streamId", sequence, at, type, payload)
    SELECT session."streamId", n, now(),
      CASE WHEN n = ${String(events)} THEN 'status' ELSE 'output' END,
      CASE WHEN n = ${String(events)}
        THEN jsonb_build_object('previousStatus', 'RUNNING', 'status', session.status, 'reason', NULL)
        ELSE jsonb_build_object('channel', 'STDOUT', 'text', repeat('line ' || n || E'\\n', 10)) END
    FROM "WorkerSession" AS session, generate_series(1, ${String(events)}) AS n
    ORDER BY session.number, n`);
  await client.query(`
    INSERT INTO "Event" ("streamId", sequence, at, type, payload)
    SELECT parent."streamId", row_number() OVER (PARTITION BY parent.id ORDER BY session.number, step),
      now(), 'worker', jsonb_build_object('previousStatus', change.before, 'status', change.after,
        'reason', NULL, 'report', NULL, 'outcome', NULL, 'workerId', session.id)
    FROM "WorkerSession" AS session
    JOIN "ParentSession" AS parent ON parent.id = session."parentSessionId",
    (VALUES (1, NULL, 'QUEUED'), (2, 'QUEUED', 'PREPARING'), (3, 'PREPARING', 'RUNNING'),
            (4, 'RUNNING', 'SUCCEEDED')) AS change (step, before, after)`);
  await client.query(`
    UPDATE "Stream" SET "lastSequence" = ${String(4 * sessions)} WHERE key LIKE 'parent:history-%'`);
  await client.query("RESET session_replication_role");
  // As autovacuum does, in its own time.
  await client.query("VACUUM ANALYZE");
}
