// A page of 100 worker sessions over HTTP, against the same columns by bare SQL, as JSON.
import pg from "pg";
import { alternate } from "./alternate.ts";
import { openConnection, time } from "./connection.ts";
import type { Finding } from "./finding.ts";
import type { World } from "./world.ts";

const stored = 1_000;
const page = 100;
const warmUpTurns = 500;
const withinMs = 20_000;

const query = `{
  workerSessions(first: ${String(page)}) {
    nodes {
      id name status branch repositoryName agent priority attempt exitCode
      createdAt startedAt finishedAt
    }
  }
}`;

const sql = `
  SELECT id, number, status, branch, "repositoryOwner", "repositoryName", agent, priority, attempt,
         "exitCode", "createdAt", "startedAt", "finishedAt"
  FROM "WorkerSession" ORDER BY number LIMIT ${String(page)}`;

export async function benchList({ quick, startServer }: World): Promise<Finding[]> {
  const server = await startServer();
  const client = new pg.Client({ connectionString: server.databaseUrl });
  const connection = openConnection(server);
  try {
    await client.connect();
    await client.query(insertion);
    await client.query("ANALYZE");
    const turns = quick ? 200 : 1_000;
    const floor = () =>
      time(async () => JSON.stringify((await client.query(sql)).rows), `"number":${String(page)}`);
    const ours = () => time(() => connection.send(query), `"worker-${String(page)}"`);
    // More than one turn, until all of it is compiled: the server's code is optimized last after some hundred.
    await alternate({ turns: warmUpTurns, withinMs }, ours, floor);
    return [
      {
        what: `list of ${String(page)} workers, 12 fields`,
        unit: "ms",
        ...(await alternate({ turns, withinMs }, ours, floor)),
        target: { kind: "times", most: 3 },
      },
      {
        what: "query without SQL, { __typename }",
        unit: "ms",
        ...(await alternate(
          { turns: turns / 4 },
          () => time(() => connection.send("{__typename}"), "Query"),
          floor,
        )),
      },
    ];
  } finally {
    connection.close();
    await client.end();
    await server.dispose();
  }
}

/** Sessions that have ended, with all that they point to. */
const insertion = `
  WITH parent_stream AS (
    INSERT INTO "Stream" (id, key) VALUES (gen_random_uuid(), 'parent:bench') RETURNING id
  ), parent AS (
    INSERT INTO "ParentSession" (id, name, "streamId")
    SELECT gen_random_uuid(), 'bench', id FROM parent_stream RETURNING id
  ), streams AS (
    INSERT INTO "Stream" (id, key)
    SELECT gen_random_uuid(), 'worker:' || n FROM generate_series(1, ${String(stored)}) AS n
    RETURNING id, key
  )
  INSERT INTO "WorkerSession" (id, number, status, task, agent, branch, "branchGiven",
    "repositoryOwner", "repositoryName", "exitCode", "startedAt", "finishedAt", "parentSessionId",
    "streamId")
  SELECT gen_random_uuid(), substr(key, 8)::int, 'SUCCEEDED', 'npm test', 'shell',
    'worker-' || substr(key, 8), false, 'octocat', 'Hello-World', 0, now(), now(), parent.id,
    streams.id
  FROM streams, parent`;
