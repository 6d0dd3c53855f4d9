// The database goes away while all goes on, and comes back: nothing is lost, and nobody has to do anything.
import { readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import {
  createGate,
  dispatch,
  eventually,
  followParent,
  followWorker,
  isAlive,
  untilEnded,
  untilPrinted,
  untilStatus,
  type Gate,
} from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
let gate: Gate;
const repository = { owner: "acme", name: "app" };

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app");
  server = await startFactory({ git, env: { DATABASE_URL: "" } });
  gate = await createGate();
});

afterAll(async () => {
  await gate.dispose();
  await server.dispose();
  await git.stop();
});

/** Of the embedded Postgres; undefined while there is none. */
async function readPostmaster(): Promise<number | undefined> {
  const file = join(server.home, "postgres", "data", "postmaster.pid");
  const text = await readFile(file, "utf8").catch(() => "");
  const lines = text.split("\n").map((line) => line.trim());
  return lines[7] === "ready" ? Number(lines[0]) : undefined;
}

/** SIGKILL; resolves with the process that was killed. */
async function killPostgres(): Promise<number> {
  const pid = await readPostmaster();
  if (pid === undefined) throw new Error("there is no Postgres");
  process.kill(pid, "SIGKILL");
  await eventually(async () => !(await isAlive(pid)));
  return pid;
}

/** Postgres can't come back before the returned function is called. */
async function takePostgresAway(): Promise<() => Promise<void>> {
  const data = join(server.home, "postgres", "data");
  const pid = await readPostmaster();
  if (pid === undefined) throw new Error("there is no Postgres");
  await rename(data, `${data}.away`);
  process.kill(pid, "SIGKILL");
  await eventually(async () => !(await isAlive(pid)));
  return async () => {
    await rename(`${data}.away`, data);
    await untilReady();
  };
}

async function untilReady(): Promise<void> {
  await eventually(async () => (await server.fetch("/readyz")).status === 200);
}

const sequences = (events: readonly { sequence: number }[]) => events.map((one) => one.sequence);
const counted = (events: readonly unknown[]) => events.map((_, index) => index + 1);

describe("an embedded Postgres that was killed", () => {
  test("is started again on its data; workers run on, and each line is stored once", async () => {
    const parentSession = "killed";
    const lines = (from: number) => `seq ${String(from)} ${String(from + 999)}`;
    const worker = await dispatch(server, {
      parentSession,
      repository,
      task: `echo $$; ${lines(1000)}; ${gate.wait}; ${lines(2000)}; ${gate.wait}; ${lines(3000)}; exit 7`,
    });
    const followed = followWorker(server, worker.id, 0);
    const parent = followParent(server, parentSession, 0);
    const pid = Number((await untilPrinted(server, worker.id, "1999\n")).split("\n")[0]);
    for (let round = 0; round < 2; round += 1) {
      const killed = await killPostgres();
      await gate.open();
      await untilReady();
      expect(await readPostmaster()).not.toBe(killed);
    }
    const ended = await untilEnded(server, worker.id);
    const printed = [1000, 2000, 3000].flatMap((from) =>
      Array.from({ length: 1000 }, (_, index) => `${String(from + index)}\n`),
    );
    expect(ended).toMatchObject({ status: "FAILED", exitCode: 7 });
    expect(ended.stdout).toBe([`${String(pid)}\n`, ...printed].join(""));
    expect(sequences(ended.events)).toEqual(counted(ended.events));
    // The subscriptions of before went on by themselves, without a hole and without a repeat.
    await followed.completed;
    expect(followed.messages.map(({ workerEvents }) => workerEvents)).toEqual(ended.events);
    const changes = await parent.first(4);
    expect(changes.map(({ workerStatusChanged: { status } }) => status)).toEqual([
      "QUEUED",
      "PREPARING",
      "RUNNING",
      "FAILED",
    ]);
    parent.end();
  });
});

describe("while Postgres is away", () => {
  test("the server lives, says that it isn't ready, and answers with what to do", async () => {
    const bringBack = await takePostgresAway();
    expect((await server.fetch("/healthz")).status).toBe(200);
    expect((await server.fetch("/readyz")).status).toBe(503);
    const metrics = await (await server.fetch("/metrics")).text();
    expect(metrics).toContain("\nfactory_database_up 0\n");
    expect(metrics).toContain("\nprocess_resident_memory_bytes ");
    expect(metrics).not.toMatch(/^factory_(sessions|queue_\w+|capacity)\b/m);
    const asked = [
      "{ workerSessions { totalCount } }",
      `mutation { dispatchWorker(input: {
         parentSession: "away", task: "true", agent: "shell", repository: { owner: "acme", name: "app" }
       }) { created } }`,
      `mutation { cancelWorker(input: { id: "worker-1" }) { worker { name } } }`,
    ];
    for (const document of asked) {
      const { errors = [] } = await server.send(document);
      expect(errors.map(({ message, extensions }) => [extensions.code, message])).toEqual([
        [
          "SERVICE_UNAVAILABLE",
          "the database can't be reached, or can't take this, at the moment: try again",
        ],
      ]);
    }
    await expect(followParent(server, "away", 0).completed).rejects.toMatchObject({
      codes: ["SERVICE_UNAVAILABLE"],
    });
    await bringBack();
    const { id } = await dispatch(server, { parentSession: "away", repository, task: "true" });
    expect((await untilEnded(server, id)).status).toBe("SUCCEEDED");
  });

  test("a worker works and ends, and its exit, commits and output are there afterwards", async () => {
    const ends = ["exit 9", "kill -USR1 $$", "exit 0"];
    const workers = await Promise.all(
      ends.map((end) =>
        dispatch(server, {
          parentSession: "ended",
          repository,
          task: `echo $$; ${gate.wait}; git commit -q --allow-empty -m Late; echo last; ${end}`,
        }),
      ),
    );
    const pids = await Promise.all(
      workers.map(async ({ id }) => Number(await untilPrinted(server, id, "\n"))),
    );
    const parent = followParent(server, "ended", 0);
    await parent.first(9);
    const bringBack = await takePostgresAway();
    await gate.open(3);
    await eventually(async () => !(await Promise.all(pids.map(isAlive))).includes(true));
    await bringBack();
    const ended = await Promise.all(workers.map(({ id }) => untilEnded(server, id)));
    expect(ended.map(({ status, exitCode, signal }) => [status, exitCode, signal])).toEqual([
      ["FAILED", 9, null],
      ["FAILED", null, "SIGUSR1"],
      ["SUCCEEDED", 0, null],
    ]);
    for (const [index, one] of ended.entries()) {
      expect(one.stdout).toBe(`${String(pids[index])}\nlast\n`);
      expect(one.commits.map(({ subject }) => subject)).toEqual(["Late"]);
      expect(sequences(one.events)).toEqual(counted(one.events));
    }
    const changes = (await parent.first(12)).map((one) => one.workerStatusChanged);
    expect(sequences(changes)).toEqual(counted(changes));
    parent.end();
  });

  test("a session in the middle of its preparation is prepared on when it is back", async () => {
    await git.createRepository("acme", "slow");
    const clone = git.hold(/\/slow\.git\//);
    const { id } = await dispatch(server, {
      parentSession: "preparing",
      repository: { owner: "acme", name: "slow" },
      task: "echo once",
    });
    await clone.arrived;
    await untilStatus(server, id, "PREPARING");
    const bringBack = await takePostgresAway();
    clone.release();
    await eventually(() => server.log.some((line) => line.includes("outcome waits")));
    await bringBack();
    const ended = await untilEnded(server, id);
    expect(ended).toMatchObject({ status: "SUCCEEDED", stdout: "once\n" });
    expect(ended.events.map(({ status }) => status).filter(Boolean)).toEqual([
      "QUEUED",
      "PREPARING",
      "RUNNING",
      "SUCCEEDED",
    ]);
  });

  test("a stop ends in order, and the next start has all that was stored", async () => {
    const { id } = await dispatch(server, {
      parentSession: "stopped",
      repository,
      task: `echo $$; ${gate.wait}; exit 4`,
    });
    const pid = Number(await untilPrinted(server, id, "\n"));
    const data = join(server.home, "postgres", "data");
    await takePostgresAway();
    expect(await server.terminate()).toBe(0);
    expect(await isAlive(pid)).toBe(true);
    await rename(`${data}.away`, data);
    server = await server.restart();
    await gate.open();
    expect(await untilEnded(server, id)).toMatchObject({ status: "FAILED", exitCode: 4 });
  });
});
