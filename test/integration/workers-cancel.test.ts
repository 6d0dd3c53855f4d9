// Ending a session from outside: cancelled, or out of time.
import { stat } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { queryDatabase } from "../support/inventory.ts";
import {
  cancel,
  createGate,
  dispatch,
  eventually,
  followParent,
  readWorker,
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
  server = await startFactory({ git, env: { FACTORY_KILL_GRACE: "1" } });
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
});

beforeEach(async () => {
  gate = await createGate();
});

afterEach(async () => {
  await gate.dispose();
});

const statusesOf = (ended: { events: readonly { status?: string }[] }) =>
  ended.events.flatMap(({ status }) => (status === undefined ? [] : [status]));

describe("cancelling", () => {
  test("a session that is about to be taken makes neither wait for the other", async () => {
    const parentSession = "met";
    const work = { parentSession, repository, branch: "cancel/met" };
    const first = await dispatch(server, { ...work, task: `echo here; ${gate.wait}` });
    await untilPrinted(server, first.id, "here");
    const second = await dispatch(server, { ...work, task: "echo never" });
    const waiting = async () => {
      const [row] = await queryDatabase<{ count: number }>(
        server,
        `SELECT count(*)::int AS count FROM pg_stat_activity
          WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return row?.count ?? 0;
    };
    // Both come to the session's row while it is held, the cancellation first.
    const holder = new pg.Client({ connectionString: server.databaseUrl });
    await holder.connect();
    try {
      await holder.query("BEGIN");
      await holder.query(`SELECT 1 FROM "WorkerSession" WHERE number = $1 FOR UPDATE`, [
        Number(second.name.slice("worker-".length)),
      ]);
      const cancelled = cancel(server, second.name);
      await eventually(async () => (await waiting()) === 1);
      await gate.open();
      await eventually(async () => (await waiting()) === 2);
      await holder.query("COMMIT");
      expect(await cancelled).toMatchObject({ status: "CANCELLED" });
    } finally {
      await holder.end();
    }
    expect(server.log.filter((line) => line.includes("deadlock"))).toEqual([]);
  });

  test("a queued session ends at once, never starts, and leaves the queue", async () => {
    const parentSession = "queued";
    const first = await dispatch(server, {
      parentSession,
      repository,
      branch: "cancel/queued",
      task: `echo here; ${gate.wait}`,
    });
    await untilPrinted(server, first.id, "here");
    const second = await dispatch(server, {
      parentSession,
      repository,
      branch: "cancel/queued",
      task: "echo never",
    });
    expect(await cancel(server, second.name, "changed my mind")).toEqual({
      name: second.name,
      status: "CANCELLED",
      statusReason: "cancelled: changed my mind",
    });
    await gate.open();
    await untilEnded(server, first.id);
    const ended = await untilEnded(server, second.id);
    expect(statusesOf(ended)).toEqual(["QUEUED", "CANCELLED"]);
    expect(ended).toMatchObject({ startedAt: null, exitCode: null, worktree: null, stdout: "" });
    expect(ended.finishedAt).not.toBeNull();
    // The branch is free again: a further session runs at once.
    const third = await dispatch(server, {
      parentSession,
      repository,
      branch: "cancel/queued",
      task: "true",
    });
    expect((await untilEnded(server, third.id)).status).toBe("SUCCEEDED");
  });

  test("a session that is being prepared ends CANCELLED, and its agent never starts", async () => {
    await git.createRepository("acme", "slow");
    const clone = git.hold(/\/slow\.git\//);
    const { id } = await dispatch(server, {
      parentSession: "preparing",
      repository: { owner: "acme", name: "slow" },
      task: "echo never",
    });
    await clone.arrived;
    await untilStatus(server, id, "PREPARING");
    await cancel(server, id);
    const ended = await untilEnded(server, id);
    clone.release();
    expect(statusesOf(ended)).toEqual(["QUEUED", "PREPARING", "CANCELLED"]);
    expect(ended).toMatchObject({ statusReason: "cancelled", startedAt: null, failureCode: null });
    // The clone that others may wait for goes on, and serves the next one.
    const next = await dispatch(server, {
      parentSession: "preparing",
      repository: { owner: "acme", name: "slow" },
      task: "true",
    });
    expect((await untilEnded(server, next.id)).status).toBe("SUCCEEDED");
  });

  test("a running session is ended, and tells who cancelled", async () => {
    const parentSession = "running";
    const watched = followParent(server, parentSession, 0);
    const { id } = await dispatch(server, {
      parentSession,
      repository,
      task: `echo begun; ${gate.wait}; echo never`,
    });
    await untilPrinted(server, id, "begun");
    await cancel(server, id, "not needed");
    const ended = await untilEnded(server, id);
    expect(ended).toMatchObject({
      status: "CANCELLED",
      statusReason: "cancelled: not needed",
      stdout: "begun\n",
      signal: "SIGTERM",
      exitCode: null,
    });
    const [last] = (await watched.first(4)).slice(-1);
    expect(last?.workerStatusChanged).toMatchObject({
      previousStatus: "RUNNING",
      status: "CANCELLED",
      reason: "cancelled: not needed",
    });
  });

  test("the intent beats an exit with 0 that comes after it", async () => {
    const { id } = await dispatch(server, {
      parentSession: "running",
      repository,
      task: `trap 'echo bye; exit 0' TERM; echo begun; ${gate.wait} & wait`,
    });
    await untilPrinted(server, id, "begun");
    await cancel(server, id);
    expect(await untilEnded(server, id)).toMatchObject({
      status: "CANCELLED",
      exitCode: 0,
      stdout: "begun\nbye\n",
    });
  });

  test("cancelling twice keeps the first reason", async () => {
    const { id } = await dispatch(server, {
      parentSession: "running",
      repository,
      task: `trap '' TERM; echo begun; ${gate.wait}; ${gate.wait}`,
    });
    await untilPrinted(server, id, "begun");
    await cancel(server, id, "first");
    await cancel(server, id, "second");
    expect((await untilEnded(server, id)).statusReason).toBe("cancelled: first");
  });

  test("cancelling an ended session changes nothing", async () => {
    const { id } = await dispatch(server, { parentSession: "ended", repository, task: "exit 3" });
    const before = await untilEnded(server, id);
    expect(await cancel(server, id, "too late")).toMatchObject({
      status: "FAILED",
      statusReason: "exit code 3",
    });
    expect(await readWorker(server, id)).toEqual(
      expect.objectContaining({ status: "FAILED", lastSequence: before.lastSequence }),
    );
  });

  test("a reason that is malformed is BAD_INPUT, and nothing is cancelled", async () => {
    const { id } = await dispatch(server, {
      parentSession: "running",
      repository,
      task: `echo begun; ${gate.wait}`,
    });
    await untilPrinted(server, id, "begun");
    for (const reason of ["", "x".repeat(2001), "\ud800"]) {
      const { errors } = await server.send(
        `mutation ($input: CancelWorkerInput!) { cancelWorker(input: $input) { worker { id } } }`,
        { input: { id, reason } },
      );
      expect(errors?.[0]?.extensions.code).toBe("BAD_INPUT");
      expect(errors?.[0]?.message).toMatch(/^reason /);
    }
    await gate.open();
    expect((await untilEnded(server, id)).status).toBe("SUCCEEDED");
  });

  test("the worktree is READY again, with what the worker left in it", async () => {
    const { id } = await dispatch(server, {
      parentSession: "running",
      repository,
      branch: "cancel/left",
      task: `echo work > work.txt; echo begun; ${gate.wait}`,
    });
    await untilPrinted(server, id, "begun");
    const read = () =>
      server.query<{ worktree: { status: string; activeWorker: unknown; changedFiles: number } }>(
        `{ worktree(owner: "acme", name: "app", branch: "cancel/left") {
          status changedFiles activeWorker { id }
        } }`,
      );
    expect((await read()).worktree).toMatchObject({ status: "RUNNING", activeWorker: { id } });
    await cancel(server, id);
    const { worktree } = await untilEnded(server, id);
    expect((await read()).worktree).toEqual({
      status: "READY",
      activeWorker: null,
      changedFiles: 1,
    });
    expect((await stat(`${worktree!.path}/work.txt`)).isFile()).toBe(true);
  });
});

describe("a timeout", () => {
  test("beats an exit with 0 that it caused", async () => {
    const { id } = await dispatch(server, {
      parentSession: "timeout",
      repository,
      timeoutSeconds: 2,
      task: `trap 'exit 0' TERM; ${gate.wait} & wait`,
    });
    expect(await untilEnded(server, id)).toMatchObject({ status: "TIMED_OUT", exitCode: 0 });
  });

  test("doesn't touch a session that ends in time", async () => {
    const { id } = await dispatch(server, {
      parentSession: "timeout",
      repository,
      timeoutSeconds: 600,
      task: "true",
    });
    expect((await untilEnded(server, id)).status).toBe("SUCCEEDED");
  });
});
