// /metrics over HTTP with many sessions stored, against the same counts by bare SQL.
import { Agent, get } from "node:http";
import { text } from "node:stream/consumers";
import pg from "pg";
import { countSessions } from "../src/workers/count.ts";
import type { FactoryServer } from "../test/support/factory.ts";
import { alternate } from "./alternate.ts";
import { time } from "./connection.ts";
import type { Finding } from "./finding.ts";
import type { World } from "./world.ts";

const withinMs = 20_000;

export async function benchMetrics({ quick, startServer }: World): Promise<Finding[]> {
  const server = await startServer();
  const pool = new pg.Pool({ connectionString: server.databaseUrl, max: 1 });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const turns = quick ? 50 : 200;
  const findings: Finding[] = [];
  let stored = 0;
  try {
    for (const sessions of quick ? [10_000] : [10_000, 100_000]) {
      await pool.query(insertion(stored + 1, sessions));
      stored = sessions;
      // As autovacuum does it some minutes later.
      await pool.query(`VACUUM ANALYZE "WorkerSession"`);
      const measured = await alternate(
        { turns, withinMs },
        () => time(() => ask(server, agent), "factory_queue_depth 0"),
        () => time(async () => JSON.stringify(await countSessions(pool)), `"count"`),
      );
      const what = `/metrics with ${String(sessions)} sessions`;
      const target = { kind: "absolute", most: 10 } as const;
      findings.push({ what, unit: "ms", ...measured, ...(sessions === 10_000 ? { target } : {}) });
    }
    return findings;
  } finally {
    agent.destroy();
    await pool.end();
    await server.dispose();
  }
}

function ask({ url, token }: FactoryServer, agent: Agent): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const headers = { authorization: `Bearer ${token}` };
  get(`${url}/metrics`, { agent, headers }, (response) => {
    text(response).then(resolve, reject);
  }).once("error", reject);
  return promise;
}

/** Sessions that have ended in all ways, by four agents. */
const insertion = (from: number, to: number) => `
  WITH parent_stream AS (
    INSERT INTO "Stream" (id, key) VALUES (gen_random_uuid(), 'parent:bench-${String(from)}') RETURNING id
  ), parent AS (
    INSERT INTO "ParentSession" (id, name, "streamId")
    SELECT gen_random_uuid(), 'bench-${String(from)}', id FROM parent_stream RETURNING id
  ), streams AS (
    INSERT INTO "Stream" (id, key)
    SELECT gen_random_uuid(), 'worker:' || n FROM generate_series(${String(from)}, ${String(to)}) AS n
    RETURNING id, key
  )
  INSERT INTO "WorkerSession" (id, number, status, task, agent, branch, "branchGiven",
    "repositoryOwner", "repositoryName", "exitCode", "startedAt", "finishedAt", "parentSessionId",
    "streamId")
  SELECT gen_random_uuid(), n,
    (ARRAY['SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT', 'LOST'])[1 + n % 5]::"WorkerStatus",
    repeat('do this and that ', 30), (ARRAY['claude', 'codex', 'gemini', 'shell'])[1 + n % 4],
    'worker-' || n, false, 'octocat', 'Hello-World', 0, now(), now(), parent.id, streams.id
  FROM (SELECT id, substr(key, 8)::int AS n FROM streams) AS streams, parent`;
