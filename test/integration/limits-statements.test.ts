import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { createCountedDatabase, type CountedDatabase } from "../support/statements.ts";

let database: CountedDatabase;
let factory: FactoryServer;

/** A repository with a worktree, a session that runs in it and one that waits, each of another parent. */
const rows = `
  WITH numbers AS (SELECT i, to_char(i, 'FM000') AS n FROM generate_series(1, 100) AS i),
  streams AS (
    INSERT INTO "Stream" (id, key)
      SELECT gen_random_uuid(), kind || n
      FROM numbers, unnest(ARRAY['repository ', 'worktrees ', 'running ', 'queued ', 'parent ']) AS kind
      RETURNING id, key
  ), repositories AS (
    INSERT INTO "Repository" (id, owner, name, key, url, status, "streamId", "worktreeStreamId")
      SELECT md5('repository' || n)::uuid, 'team', 'app' || n, 'team/app' || n, 'https://example.org/', 'SYNCED',
             (SELECT id FROM streams WHERE key = 'repository ' || n),
             (SELECT id FROM streams WHERE key = 'worktrees ' || n)
      FROM numbers RETURNING id
  ), worktrees AS (
    INSERT INTO "Worktree" (id, branch, path, status, "repositoryId", "runnerId")
      SELECT md5('worktree' || n)::uuid, 'main', '/nowhere/' || n, 'RUNNING',
             md5('repository' || n)::uuid, (SELECT id FROM "Runner")
      FROM numbers RETURNING id
  ), parents AS (
    INSERT INTO "ParentSession" (id, name, "streamId")
      SELECT md5('parent' || n)::uuid, 'parent-' || n, (SELECT id FROM streams WHERE key = 'parent ' || n)
      FROM numbers RETURNING id
  )
  INSERT INTO "WorkerSession" (id, status, task, agent, branch, "branchGiven", "streamId", "parentSessionId",
                               "repositoryId", "repositoryOwner", "repositoryName", "worktreeId")
    SELECT gen_random_uuid(), status::"WorkerStatus", 'true', 'shell', 'main', true,
           (SELECT id FROM streams WHERE key = lower(status) || ' ' || n), md5('parent' || n)::uuid,
           md5('repository' || n)::uuid, 'team', 'app' || n,
           CASE status WHEN 'RUNNING' THEN md5('worktree' || n)::uuid END
    FROM numbers, unnest(ARRAY['RUNNING', 'QUEUED']) AS status`;

beforeAll(async () => {
  database = await createCountedDatabase();
  factory = await startFactory({ env: { DATABASE_URL: database.url } });
  const client = new pg.Client({ connectionString: database.directUrl });
  await client.connect();
  try {
    await client.query(rows);
  } finally {
    await client.end();
  }
});

afterAll(async () => {
  await factory.dispose();
  await database.drop();
});

/** The statements that a query takes; some of the server's own may be among them. */
async function count(document: string): Promise<{ data: unknown; statements: readonly string[] }> {
  const before = database.statements.length;
  const data = await factory.query(document);
  return { data, statements: database.statements.slice(before) };
}

/** What the server says meanwhile on its own account: its presence, its queue, its heartbeat. */
const ownStatements = 5;

async function expectConstant(document: (first: number) => string): Promise<void> {
  const few = await count(document(5));
  const many = await count(document(100));
  expect(JSON.stringify(many.data).length).toBeGreaterThan(15 * JSON.stringify(few.data).length);
  expect(few.statements.length).toBeGreaterThan(0);
  expect(many.statements.length).toBeLessThanOrEqual(few.statements.length + ownStatements);
}

describe("a list takes as many statements for 100 entries as for 5", () => {
  test("repositories with worktrees and their active workers", async () => {
    await expectConstant(
      (first) => `{ repositories(first: ${String(first)}) { totalCount nodes {
        nameWithOwner status lastSequence worktreesLastSequence
        worktrees { totalCount nodes {
          branch status runner activeWorker { name status statusReason lastSequence parentSession { name } }
        } }
      } } }`,
    );
  });

  test("repositories with their sessions, and where each of those is", async () => {
    await expectConstant(
      (first) => `{ repositories(first: ${String(first)}) { edges { cursor node {
        workerSessions(first: 10) { nodes {
          name status statusReason usage { inputTokens }
          repository { name } worktree { branch repository { name } }
          parentWorker { name } previous { name } children(first: 1) { nodes { name } }
        } }
      } } } }`,
    );
  });

  test("worktrees with their repository and their sessions", async () => {
    await expectConstant(
      (first) => `{ worktrees(first: ${String(first)}) { nodes {
        branch repository { nameWithOwner status } activeWorker { name }
        workerSessions(first: 2) { totalCount nodes { name status } }
      } } }`,
    );
  });

  test("sessions with why they wait", async () => {
    await expectConstant(
      (first) => `{ workerSessions(first: ${String(first)}, status: [QUEUED]) { nodes {
        name statusReason lastSequence parentSession { name lastSequence } repository { name }
      } } }`,
    );
  });

  test("parent sessions with their workers and how many they have", async () => {
    await expectConstant(
      (first) => `{ parentSessions(first: ${String(first)}) { nodes {
        name lastSequence workerCounts { total running queued } workerSessions { totalCount nodes { name status } }
      } } }`,
    );
  });
});

test("totalCount is counted where it is selected, and not where it isn't", async () => {
  const counts = async (fields: string) => {
    const { statements } = await count(
      `{ worktrees { ${fields} nodes { id workerSessions { ${fields} nodes { id } } } } }`,
    );
    return statements.filter((text) => /count\(/i.test(text)).length;
  };
  expect(await counts("")).toBe(0);
  expect(await counts("totalCount")).toBeGreaterThan(0);
});

test("what is live from git is not read where it isn't selected", async () => {
  // The paths of these rows lead nowhere: git would fail on each.
  const live = "headCommit commitsAhead changedFiles diff { text }";
  const document = (fields: string) =>
    `{ worktrees(first: 3) { nodes { branch path ${fields} } } }`;
  expect(await factory.codes(document(""))).toEqual([]);
  expect(await factory.codes(document(live))).not.toEqual([]);
});
