import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { createDatabase, type TestDatabase } from "../../support/postgres.ts";

const folder = join(import.meta.dirname, "..", "..", "..", "deploy", "kubernetes");
let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});

afterEach(() =>
  client.query(
    'TRUNCATE "WorkerSession", "Worktree", "Repository", "Runner", "ParentSession", "Stream" CASCADE',
  ),
);

afterAll(async () => {
  await client.end();
  await database.drop();
});

/** The document of the kind in a manifest. */
function read(file: string, kind: string): unknown {
  const text = readFileSync(join(folder, file), "utf8");
  const documents = parseAllDocuments(text).map((document) => document.toJS() as unknown);
  return documents.find(
    (document) => z.looseObject({ kind: z.string() }).parse(document).kind === kind,
  );
}

function scalingQuery(): string {
  const trigger = z.object({ metadata: z.object({ query: z.string() }) });
  const { spec } = z
    .object({ spec: z.object({ triggers: z.tuple([trigger]) }) })
    .parse(read("autoscaling.yaml", "ScaledObject"));
  return spec.triggers[0].metadata.query;
}

/** As the manifest of the runners sets it. */
function sessionsPerRunner(): string {
  const env = z.array(z.object({ name: z.string(), value: z.string() }));
  const template = z.object({ spec: z.object({ containers: z.tuple([z.object({ env })]) }) });
  const { spec } = z
    .object({ spec: z.object({ template }) })
    .parse(read("runner.yaml", "StatefulSet"));
  const [container] = spec.template.spec.containers;
  return container.env.find(({ name }) => name === "FACTORY_MAX_WORKERS")!.value;
}

/** How many runners the query asks for. */
async function wanted(): Promise<number> {
  const { rows } = await client.query<[number]>({ text: scalingQuery(), rowMode: "array" });
  expect(rows).toHaveLength(1);
  return rows[0]![0];
}

async function addRunner(host: string): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    `INSERT INTO "Runner" (id, name, host, version, capacity)
     VALUES (gen_random_uuid(), $1, $1, '1', 8) RETURNING id`,
    [host],
  );
  return rows[0]!.id;
}

async function addSessions(count: number, status: string, runner?: string): Promise<void> {
  await client.query(
    `WITH parent_stream AS (
       INSERT INTO "Stream" (id, key) VALUES (gen_random_uuid(), gen_random_uuid()) RETURNING id
     ), parent AS (
       INSERT INTO "ParentSession" (id, name, "streamId")
       SELECT gen_random_uuid(), gen_random_uuid(), id FROM parent_stream RETURNING id
     ), streams AS (
       INSERT INTO "Stream" (id, key)
       SELECT gen_random_uuid(), gen_random_uuid() FROM generate_series(1, $1) RETURNING id
     )
     INSERT INTO "WorkerSession" (id, status, task, agent, branch, "branchGiven", "repositoryOwner",
       "repositoryName", "parentSessionId", "streamId", "runnerId")
     SELECT gen_random_uuid(), $2::"WorkerStatus", 'true', 'shell', 'main', true, 'octocat',
       'Hello-World', parent.id, streams.id, $3::uuid
     FROM streams, parent`,
    [count, status, runner ?? null],
  );
}

/** Of the branch that the sessions are on, in a repository that is made for them. */
async function addWorktree(runner: string, status: string): Promise<void> {
  await client.query(
    `WITH one AS (INSERT INTO "Stream" (id, key) VALUES (gen_random_uuid(), gen_random_uuid()) RETURNING id),
     two AS (INSERT INTO "Stream" (id, key) VALUES (gen_random_uuid(), gen_random_uuid()) RETURNING id)
     INSERT INTO "Repository" (id, owner, name, key, url, status, "streamId", "worktreeStreamId")
     SELECT gen_random_uuid(), 'octocat', 'Hello-World', 'octocat/hello-world', 'https://x', 'SYNCED', one.id, two.id
     FROM one, two ON CONFLICT (key) DO NOTHING`,
  );
  await client.query(
    'UPDATE "WorkerSession" SET "repositoryId" = repository.id FROM "Repository" AS repository',
  );
  await client.query(
    `INSERT INTO "Worktree" (id, "repositoryId", branch, path, status, "runnerId")
     SELECT gen_random_uuid(), id, 'main', '/x', $2::"WorktreeStatus", $1::uuid FROM "Repository"`,
    [runner, status],
  );
}

describe("the number of runners", () => {
  test("is none where nothing is to be done", async () => {
    await addSessions(20, "SUCCEEDED", await addRunner("factory-runner-5"));

    expect(await wanted()).toBe(0);
  });

  test("lets those queued and at work fill them", async () => {
    await addSessions(8, "RUNNING", await addRunner("factory-runner-0"));
    expect(await wanted()).toBe(1);

    await addSessions(1, "QUEUED");
    expect(await wanted()).toBe(2);

    await addSessions(16, "QUEUED");
    expect(await wanted()).toBe(4);
  });

  test.each(["PREPARING", "RUNNING", "WAITING"])(
    "keeps the last runner that has a session %s",
    async (status) => {
      await addSessions(1, status, await addRunner("factory-runner-11"));
      await addSessions(1, "RUNNING", await addRunner("factory-runner-2"));

      expect(await wanted()).toBe(12);
    },
  );

  test("lets a runner go that a queued session was on before", async () => {
    await addSessions(1, "QUEUED", await addRunner("factory-runner-7"));

    expect(await wanted()).toBe(1);
  });

  test("brings back the runner that holds the worktree of a queued session", async () => {
    await addSessions(1, "QUEUED");
    const runner = await addRunner("factory-runner-4");
    await addWorktree(runner, "READY");
    expect(await wanted()).toBe(5);
    // One whose first runner was lost begins anew, on any.
    await client.query('UPDATE "WorkerSession" SET attempt = 2');
    expect(await wanted()).toBe(1);
  });

  test("waits for no worktree that failed, and counts a session with two worktrees once", async () => {
    await addSessions(8, "QUEUED");
    await addWorktree(await addRunner("factory-runner-7"), "FAILED");
    expect(await wanted()).toBe(1);
    for (const host of ["build-1", "build-2"]) await addWorktree(await addRunner(host), "READY");
    expect(await wanted()).toBe(1);
  });

  test("needs no slot for a session that waits for a permission", async () => {
    const runner = await addRunner("factory-runner-0");
    await addSessions(8, "WAITING", runner);
    await addSessions(8, "RUNNING", runner);
    expect(await wanted()).toBe(1);
  });

  test("counts sessions on machines outside of the cluster, and keeps no pod for them", async () => {
    await addSessions(1, "RUNNING", await addRunner("build-machine-9"));

    expect(await wanted()).toBe(1);
  });

  test("is counted with as many sessions as a runner takes", () => {
    expect(scalingQuery()).toMatch(
      new RegExp(String.raw`ceil\(count\(.*\) / ${sessionsPerRunner()}\.0\)`),
    );
  });
});
