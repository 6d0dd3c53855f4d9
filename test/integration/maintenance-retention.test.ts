// Events older than FACTORY_RETENTION_DAYS go, final statuses stay, and streams still tell what is missing.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { queryDatabase } from "../support/inventory.ts";
import { endSchedules, runMaintenance } from "../support/maintenance.ts";
import { cloned, followRepository, sync } from "../support/repositories.ts";
import {
  createGate,
  dispatch,
  followParent,
  followWorker,
  readWorker,
  untilEnded,
  untilPrinted,
} from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
const repository = { owner: "acme", name: "app" };

beforeAll(async () => {
  git = await startGitServer();
  server = await startFactory({ git, env: { FACTORY_RETENTION_DAYS: "7" } });
  await endSchedules(server);
  await cloned(server, git, repository);
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
});

/** Moves all that has happened so far into the past. */
async function age(days: number): Promise<void> {
  const past = `- interval '1 day' * ${String(days)}`;
  await queryDatabase(server, `UPDATE "Event" SET at = at ${past}`);
  await queryDatabase(
    server,
    `UPDATE "WorkerSession" SET "finishedAt" = "finishedAt" ${past} WHERE "finishedAt" IS NOT NULL`,
  );
}

async function eventsOf(key: string): Promise<number[]> {
  const rows = await queryDatabase<{ sequence: number }>(
    server,
    `SELECT sequence FROM "Event" JOIN "Stream" ON id = "streamId" WHERE key = $1 ORDER BY sequence`,
    [key],
  );
  return rows.map(({ sequence }) => sequence);
}

async function run(parentSession: string, task: string) {
  const { id } = await dispatch(server, { parentSession, repository, task });
  return untilEnded(server, id);
}

describe("an ended worker's events", () => {
  test("stay while they are young", async () => {
    const { id, name, lastSequence } = await run("young", "echo one; echo two >&2");
    await age(6);
    await runMaintenance(server, "RETENTION");
    expect(await eventsOf(name.replace("-", ":"))).toHaveLength(lastSequence);
    expect((await untilEnded(server, id)).stdout).toBe("one\n");
  });

  test("go when it ended long ago: its final status stays, and completes who follows", async () => {
    const before = await run("old", "seq 1 5; exit 3");
    await age(8);
    const lines = await runMaintenance(server, "RETENTION");
    expect(lines).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^Deleted \d+ events of \d+ workers that ended/),
      ]),
    );
    const { lastSequence } = before;
    expect(await eventsOf(before.name.replace("-", ":"))).toEqual([lastSequence]);
    const { events, stdout, ...rest } = await untilEnded(server, before.id);
    expect(events.map(({ sequence, status }) => [sequence, status])).toEqual([
      [lastSequence, "FAILED"],
    ]);
    expect(stdout).toBe("");
    const { events: _events, stdout: _stdout, finishedAt: _finishedAt, ...asBefore } = before;
    expect(rest).toMatchObject(asBefore);

    // The last cursor before it replays it; an earlier one is told where to go on.
    const followed = followWorker(server, before.id, lastSequence - 1);
    await followed.completed;
    expect(followed.messages).toHaveLength(1);
    const { errors } = await server.send(
      `query ($id: ID!) { workerSession(id: $id) { events(after: 1) { sequence } } }`,
      { id: before.id },
    );
    expect(errors).toMatchObject([
      { extensions: { code: "EVENTS_EXPIRED", firstSequence: lastSequence } },
    ]);
    // Nothing is left to do.
    expect(await runMaintenance(server, "RETENTION")).toEqual([]);
  });

  test("go by the thousand, in more than one batch", async () => {
    const { id, name } = await run("many", "echo one");
    const key = name.replace("-", ":");
    // As a talkative worker would have left them, before its final status.
    await queryDatabase(
      server,
      `WITH stream AS (
         UPDATE "Stream" SET "lastSequence" = "lastSequence" + 4500 WHERE key = $1 RETURNING *
       )
       UPDATE "Event" SET sequence = sequence + 4500 FROM stream
       WHERE "streamId" = id AND sequence = stream."lastSequence" - 4500`,
      [key],
    );
    await queryDatabase(
      server,
      `INSERT INTO "Event" ("streamId", sequence, at, type, payload)
       SELECT id, n, now(), 'output', '{"channel": "STDOUT", "text": "x"}'
       FROM "Stream", generate_series("lastSequence" - 4500, "lastSequence" - 1) AS n
       WHERE key = $1`,
      [key],
    );
    const total = (await eventsOf(key)).length;
    await age(8);
    await runMaintenance(server, "RETENTION");
    expect(await eventsOf(key)).toEqual([total]);
    expect((await untilEnded(server, id)).events).toHaveLength(1);
  });
});

test("a worker that has not ended keeps all, however old", async () => {
  const gate = await createGate();
  const { id, name } = await dispatch(server, {
    parentSession: "running",
    repository,
    task: `echo up; ${gate.wait}; echo down`,
  });
  await untilPrinted(server, id, "up");
  const before = await eventsOf(name.replace("-", ":"));
  await age(100);
  await runMaintenance(server, "RETENTION");
  expect(await eventsOf(name.replace("-", ":"))).toEqual(before);
  await gate.open();
  const ended = await untilEnded(server, id);
  expect(ended.stdout).toBe("up\ndown\n");
  expect(ended.events.map(({ sequence }) => sequence)).toEqual(
    ended.events.map((_, index) => index + 1),
  );
});

describe("the streams of parents, repositories and worktrees", () => {
  test("lose what is old but for the newest event, and go on with their numbering", async () => {
    const parentSession = "commander";
    await run(parentSession, "true");
    const [last] = (await eventsOf(`parent:${parentSession}`)).slice(-1);
    await age(8);
    await runMaintenance(server, "RETENTION");
    expect(await eventsOf(`parent:${parentSession}`)).toEqual([last]);
    const [newest] = await followParent(server, parentSession, 0).first(1);
    expect(newest?.workerStatusChanged).toMatchObject({ sequence: last, status: "SUCCEEDED" });
    await expect(followParent(server, parentSession, 1).first(1)).rejects.toMatchObject({
      errors: [{ extensions: { code: "EVENTS_EXPIRED", firstSequence: last } }],
    });

    await run(parentSession, "true");
    const next = await followParent(server, parentSession, last).first(4);
    expect(next.map(({ workerStatusChanged }) => workerStatusChanged.sequence)).toEqual(
      [1, 2, 3, 4].map((step) => last! + step),
    );
    // Old and young ones in one stream: the old ones go.
    await queryDatabase(
      server,
      `UPDATE "Event" SET at = at - interval '8 days' WHERE sequence <= $2
       AND "streamId" = (SELECT id FROM "Stream" WHERE key = $1)`,
      [`parent:${parentSession}`, last! + 2],
    );
    await runMaintenance(server, "RETENTION");
    expect(await eventsOf(`parent:${parentSession}`)).toEqual([last! + 3, last! + 4]);
  });

  test("of a repository too", async () => {
    await sync(server, repository);
    await age(8);
    await runMaintenance(server, "RETENTION");
    const key = "repository:acme/app";
    const [last, ...more] = await eventsOf(key);
    expect(more).toEqual([]);
    expect(await eventsOf("worktrees:acme/app")).toHaveLength(1);
    await sync(server, repository);
    const [next] = await followRepository(server, repository, last).first(1);
    expect(next?.repositoryChanged).toMatchObject({ sequence: last! + 1, status: "SYNCING" });
  });
});

test("two runs at once, and appends meanwhile, come to the same", async () => {
  const parentSession = "both";
  const workers = [];
  for (let count = 0; count < 3; count += 1) workers.push(await run(parentSession, "seq 1 3"));
  await age(8);
  await Promise.all([
    runMaintenance(server, "RETENTION"),
    run(parentSession, "true"),
    runMaintenance(server, "RETENTION"),
    runMaintenance(server, "RETENTION"),
  ]);
  for (const { id, name, lastSequence } of workers) {
    expect(await eventsOf(name.replace("-", ":"))).toEqual([lastSequence]);
    expect((await readWorker(server, id)).status).toBe("SUCCEEDED");
  }
  const sequences = await eventsOf(`parent:${parentSession}`);
  expect(sequences).toEqual(sequences.map((_, index) => sequences[0]! + index));
});
