// The server dies or is stopped while workers run: they go on, and the next start takes them up.
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { holdChange } from "../support/hold-change.ts";
import { queryDatabase } from "../support/inventory.ts";
import { folderOf, processesOf } from "../support/spool.ts";
import {
  createGate,
  dispatch,
  eventually,
  followParent,
  isAlive,
  readWorker,
  untilEnded,
  untilPrinted,
  type Ended,
  type Gate,
} from "../support/workers.ts";

let git: GitServer;
/** The one that runs now. */
let server: FactoryServer;
let gate: Gate;
/** A folder in which agents leave a line each. */
let folder: string;
const repository = { owner: "acme", name: "app" };

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app");
  server = await startFactory({
    git,
    env: {
      FACTORY_MAX_WORKERS: "20",
      FACTORY_SYNC_MAX_AGE: "600",
    },
  });
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
});

beforeEach(async () => {
  gate = await createGate();
  folder = await mkdtemp(join(tmpdir(), "factory-agents-"));
});

afterEach(async () => {
  await gate.dispose();
  await rm(folder, { recursive: true, force: true });
});

/** The process ids of the agents that have ever been started with that task. */
async function readStarts(): Promise<string[]> {
  return (await readFile(join(folder, "starts"), "utf8")).trim().split("\n");
}

const noteStart = () => `echo $$ >>'${join(folder, "starts")}'`;

const statusesOf = ({ events }: Ended) =>
  events.flatMap(({ status }) => (status === undefined ? [] : [status]));

const sequencesOf = ({ events }: Ended) => events.map(({ sequence }) => sequence);

const wholeLife = ["QUEUED", "PREPARING", "RUNNING", "SUCCEEDED"];

test("fault 1: SIGKILL of the server with 20 workers running: all are adopted, none twice, their output has no hole", async () => {
  const parentSession = "twenty";
  const task = `${noteStart()}; echo begun; ${gate.wait}; seq 1 2000; ${gate.wait}; seq 2001 4000`;
  const workers = await Promise.all(
    Array.from({ length: 20 }, () => dispatch(server, { parentSession, repository, task })),
  );
  await Promise.all(workers.map(({ id }) => untilPrinted(server, id, "begun\n")));
  const pids = (await readStarts()).map(Number);
  await server.kill();
  expect(await Promise.all(pids.map(isAlive))).toEqual(Array(20).fill(true));
  // Printed while nobody reads.
  await gate.open(20);
  server = await server.restart();
  const { parentSession: parent } = await server.query<{ parentSession: unknown }>(
    `{ parentSession(name: "twenty") { workerCounts { running failed lost total } } }`,
  );
  expect(parent).toEqual({ workerCounts: { running: 20, failed: 0, lost: 0, total: 20 } });
  await gate.open(20);
  const numbers = Array.from({ length: 4000 }, (_, index) => `${String(index + 1)}\n`).join("");
  const ended = await Promise.all(workers.map(({ id }) => untilEnded(server, id)));
  for (const one of ended) {
    expect(statusesOf(one)).toEqual(wholeLife);
    expect(one.stdout).toBe(`begun\n${numbers}`);
    expect(sequencesOf(one)).toEqual(one.events.map((_, index) => index + 1));
  }
  expect((await readStarts()).map(Number)).toEqual(pids);
  expect(await Promise.all(pids.map(isAlive))).toEqual(Array(20).fill(false));
  const changes = await followParent(server, parentSession, 0).first(80);
  expect(changes.map(({ workerStatusChanged }) => workerStatusChanged.sequence)).toEqual(
    changes.map((_, index) => index + 1),
  );
});

test("fault 2: a worker that ends while the server is down: its exact exit code and its last output are there after", async () => {
  const ends = [
    ["exit 9", { status: "FAILED", exitCode: 9, signal: null }],
    ["kill -USR1 $$", { status: "FAILED", exitCode: null, signal: "SIGUSR1" }],
    ["exit 0", { status: "SUCCEEDED", exitCode: 0, signal: null }],
  ] as const;
  const workers = await Promise.all(
    ends.map(([end]) =>
      dispatch(server, {
        parentSession: "meanwhile",
        repository,
        task: `echo begun; ${gate.wait}; git commit -q --allow-empty -m Late; echo last; echo error >&2; ${end}`,
      }),
    ),
  );
  await Promise.all(workers.map(({ id }) => untilPrinted(server, id, "begun\n")));
  await server.kill();
  await gate.open(3);
  for (const { id } of workers) {
    // It is noted a moment after its processes are gone.
    await eventually(async () => (await readdir(folderOf(server, id))).includes("exit.json"));
  }
  const allEnded = Date.now();
  server = await server.restart();
  for (const [index, { id }] of workers.entries()) {
    const ended = await untilEnded(server, id);
    expect(ended).toMatchObject({ ...ends[index]![1], stdout: "begun\nlast\n", stderr: "error\n" });
    expect(ended.commits.map(({ subject }) => subject)).toEqual(["Late"]);
    // When it did, not when somebody came to see it.
    expect(Date.parse(ended.finishedAt ?? "")).toBeLessThanOrEqual(allEnded);
  }
});

test("fault 4: killed between insert and spawn, before the session is taken and before its agent is spawned: one agent runs", async () => {
  const moments = [
    `UPDATE ON "WorkerSession" FOR EACH ROW WHEN (NEW.status = 'PREPARING' AND OLD.status = 'QUEUED')`,
    // The last write before the spawn.
    `UPDATE ON "WorkerSession" FOR EACH ROW WHEN (OLD."worktreeId" IS NULL AND NEW."worktreeId" IS NOT NULL)`,
  ];
  for (const [index, when] of moments.entries()) {
    const held = await holdChange(server.databaseUrl, { table: "WorkerSession", when });
    const { id } = await dispatch(server, {
      parentSession: "inserted",
      repository,
      task: noteStart(),
    });
    await held.reached();
    expect(await processesOf(id)).toEqual([]);
    await server.kill();
    await held.abandon();
    server = await server.restart();
    expect(statusesOf(await untilEnded(server, id))).toEqual(wholeLife);
    expect(await readStarts()).toHaveLength(index + 1);
  }
});

test("fault 4: killed between spawn and identity: at most one agent lives", async () => {
  const held = await holdChange(server.databaseUrl, {
    table: "WorkerSession",
    when: `UPDATE ON "WorkerSession" FOR EACH ROW WHEN (OLD."worktreeId" IS NULL AND NEW."worktreeId" IS NOT NULL)`,
  });
  const { id } = await dispatch(server, {
    parentSession: "spawned",
    repository,
    task: `${noteStart()}; echo begun; ${gate.wait}`,
  });
  await held.reached();
  // The shim writes to this file before it tells who it is; a FIFO holds it there.
  const spool = folderOf(server, id);
  await mkdir(spool, { recursive: true });
  const blocker = join(spool, "job-state");
  await promisify(execFile)("mkfifo", [blocker]);
  await held.release();
  await eventually(async () => (await processesOf(id)).length === 1);
  const [early = 0] = await processesOf(id);
  await server.kill();
  expect(await isAlive(early)).toBe(true);
  server = await server.restart();
  await untilPrinted(server, id, "begun\n");
  const living = await processesOf(id);
  expect(living).not.toContain(early);
  expect(await isAlive(early)).toBe(false);
  expect(await readStarts()).toHaveLength(1);
  await gate.open();
  expect(statusesOf(await untilEnded(server, id))).toEqual(wholeLife);
  expect(await processesOf(id)).toEqual([]);
});

test("fault 20: SIGTERM: takes no more work, answers what is under way, leaves workers running, exits with 0 within 10 s", async () => {
  const parentSession = "sigterm";
  // As many as may run, so that the next one waits for a slot.
  await server.terminate();
  server = await server.restart({ FACTORY_MAX_WORKERS: "2" });
  const task = `${noteStart()}; echo begun; ${gate.wait}; echo after; exit 3`;
  const [one, two] = await Promise.all(
    [1, 2].map(() => dispatch(server, { parentSession, repository, task })),
  );
  await Promise.all([one!, two!].map(({ id }) => untilPrinted(server, id, "begun\n")));
  const waiting = await dispatch(server, { parentSession, repository, task: noteStart() });

  const held = await holdChange(server.databaseUrl, {
    table: "WorkerSession",
    when: `INSERT ON "WorkerSession" FOR EACH ROW`,
  });
  const underWay = dispatch(server, { parentSession, repository, task: noteStart() });
  await held.reached();
  const started = performance.now();
  const stopped = server.terminate();
  await eventually(() => server.log.some((line) => line.includes("stopping")));
  // One ends while the server stops: its slot is free, and nobody takes it.
  const pids = (await readStarts()).map(Number);
  await gate.open();
  await eventually(async () => (await Promise.all(pids.map(isAlive))).includes(false));
  await held.release();
  const answered = await underWay;
  expect(await stopped).toBe(0);
  expect(performance.now() - started).toBeLessThan(10_000);
  expect(answered.created).toBe(true);
  expect((await Promise.all(pids.map(isAlive))).filter(Boolean)).toHaveLength(1);
  expect(await readStarts()).toHaveLength(2);
  const queued = await queryDatabase(
    server,
    `SELECT 1 FROM "WorkerSession" WHERE status = 'QUEUED'`,
  );
  expect(queued).toHaveLength(2);

  server = await server.restart();
  expect((await readWorker(server, answered.id)).status).toMatch(/QUEUED|PREPARING|RUNNING/);
  await gate.open();
  for (const { id } of [one!, two!]) {
    expect(await untilEnded(server, id)).toMatchObject({
      status: "FAILED",
      exitCode: 3,
      stdout: "begun\nafter\n",
    });
  }
  for (const { id } of [waiting, answered]) {
    expect(statusesOf(await untilEnded(server, id))).toEqual(wholeLife);
  }
});
