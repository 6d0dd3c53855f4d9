// Workers outlive the server: it stops or is killed, starts again, and takes up what it finds.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { identityOf } from "../support/spool.ts";
import {
  cancel,
  createGate,
  dispatch,
  eventually,
  followParent,
  isAlive,
  readWorker,
  untilEnded,
  untilPrinted,
  untilStatus,
  type Gate,
} from "../support/workers.ts";

let git: GitServer;
/** The one that runs now. */
let server: FactoryServer;
let gate: Gate;
const repository = { owner: "acme", name: "app" };

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app");
  server = await startFactory({ git });
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

/** On the port of before, where workers still reach it. */
async function restart(env: Readonly<Record<string, string>> = {}): Promise<void> {
  server = await server.restart({ PORT: new URL(server.url).port, ...env });
}

/** The process id that the worker told with its first line. */
async function untilBegun(id: string): Promise<number> {
  const text = await untilPrinted(server, id, "\n");
  return Number(/^(\d+)\n/.exec(text)?.[1]);
}

describe("a stop by SIGTERM", () => {
  test("with nothing to do exits with 0 too, and takes nothing from the queue meanwhile", async () => {
    expect(await server.terminate()).toBe(0);
    await restart();
    const { id } = await dispatch(server, { parentSession: "sigterm", repository, task: "true" });
    expect((await untilEnded(server, id)).status).toBe("SUCCEEDED");
  });
});

describe("SIGKILL", () => {
  test("what was queued is run, in its order, each once", async () => {
    const parentSession = "queued";
    const shared = { parentSession, repository, branch: "restart/queued" };
    const first = await dispatch(server, { ...shared, task: `echo $$; ${gate.wait}` });
    await untilBegun(first.id);
    const rest = [];
    for (let count = 0; count < 3; count += 1) {
      rest.push(
        await dispatch(server, { ...shared, task: "echo $FACTORY_WORKER >> log; cat log" }),
      );
    }
    await server.kill();
    await restart();
    expect((await readWorker(server, rest[0]!.id)).status).toBe("QUEUED");
    await gate.open();
    const ended = await Promise.all(rest.map(({ id }) => untilEnded(server, id)));
    expect(ended.at(-1)?.stdout).toBe(rest.map(({ name }) => `${name}\n`).join(""));
  });

  test("a session that was being prepared is prepared again, and its agent starts once", async () => {
    await git.createRepository("acme", "slow");
    const clone = git.hold(/\/slow\.git\//);
    const { id, name } = await dispatch(server, {
      parentSession: "preparing",
      repository: { owner: "acme", name: "slow" },
      task: "echo once",
    });
    await clone.arrived;
    await untilStatus(server, id, "PREPARING");
    await server.kill();
    clone.release();
    await restart();
    const ended = await untilEnded(server, id);
    expect(ended).toMatchObject({ status: "SUCCEEDED", stdout: "once\n", branch: name });
    expect(ended.events.map(({ status }) => status).filter(Boolean)).toEqual([
      "QUEUED",
      "PREPARING",
      "RUNNING",
      "SUCCEEDED",
    ]);
  });

  test("an adopted worker can be cancelled", async () => {
    const { id } = await dispatch(server, {
      parentSession: "cancelled",
      repository,
      task: `trap '' TERM; echo $$; ${gate.wait}; ${gate.wait}`,
    });
    const pid = await untilBegun(id);
    await server.kill();
    await restart();
    await cancel(server, id, "after the restart");
    expect(await untilEnded(server, id)).toMatchObject({
      status: "CANCELLED",
      statusReason: "cancelled: after the restart",
    });
    expect(await isAlive(pid)).toBe(false);
  });

  test("a cancellation that was accepted before is carried out after", async () => {
    const { id } = await dispatch(server, {
      parentSession: "cancelled",
      repository,
      task: `trap '' TERM; echo $$; ${gate.wait}; ${gate.wait}`,
    });
    const pid = await untilBegun(id);
    await cancel(server, id, "before the kill");
    // Within the grace period: it is alive, and nobody is there to end it.
    await server.kill();
    await restart();
    expect(await untilEnded(server, id)).toMatchObject({
      status: "CANCELLED",
      statusReason: "cancelled: before the kill",
    });
    expect(await isAlive(pid)).toBe(false);
  });

  test("a timeout counts from the start, whatever was killed meanwhile", async () => {
    const { id } = await dispatch(server, {
      parentSession: "timeout",
      repository,
      timeoutSeconds: 1,
      task: `trap '' TERM; echo $$; ${gate.wait}; ${gate.wait}`,
    });
    const pid = await untilBegun(id);
    const begun = performance.now();
    await server.kill();
    await restart();
    expect(await untilEnded(server, id)).toMatchObject({ status: "TIMED_OUT" });
    // One second, the restart, and the grace period of two: far below a timeout that began anew and late.
    expect(performance.now() - begun).toBeLessThan(20_000);
    expect(await isAlive(pid)).toBe(false);
  });

  test("a worker that ended in time has not timed out, however long no server was there", async () => {
    const { id } = await dispatch(server, {
      parentSession: "in-time",
      repository,
      timeoutSeconds: 3,
      task: `echo $$; ${gate.wait}`,
    });
    const pid = await untilBegun(id);
    const { startedAt } = await identityOf(server, id);
    await server.kill();
    await gate.open();
    await eventually(async () => !(await isAlive(pid)));
    await eventually(() => Date.now() > Date.parse(startedAt) + 3_000);
    await restart();
    expect(await untilEnded(server, id)).toMatchObject({ status: "SUCCEEDED", exitCode: 0 });
  });

  test("an adopted worker's token still speaks for it, and is still redacted", async () => {
    const report = JSON.stringify({
      query: `mutation { reportWorker(input: { message: "back", outcome: SUCCEEDED }) { worker { name } } }`,
    });
    const { id } = await dispatch(server, {
      parentSession: "token",
      repository,
      task: `echo $$; ${gate.wait}; curl -sS "$FACTORY_URL/graphql" -H "Authorization: Bearer $FACTORY_TOKEN" -H "content-type: application/json" --data '${report}' >&2; echo "token $FACTORY_TOKEN end"; exit 1`,
    });
    const pid = await untilBegun(id);
    await server.kill();
    await restart();
    await gate.open();
    const ended = await untilEnded(server, id);
    expect(ended.stderr).not.toContain("errors");
    expect(ended).toMatchObject({
      status: "SUCCEEDED",
      summary: "back",
      stdout: `${String(pid)}\ntoken [redacted] end\n`,
    });
  });

  test("a subscriber that comes back with its cursor misses nothing", async () => {
    const parentSession = "cursor";
    const { id } = await dispatch(server, {
      parentSession,
      repository,
      task: `echo $$; ${gate.wait}`,
    });
    const before = await followParent(server, parentSession, 0).first(3);
    await untilBegun(id);
    await server.kill();
    await restart();
    const followed = followParent(
      server,
      parentSession,
      before.at(-1)!.workerStatusChanged.sequence,
    );
    await gate.open();
    const after = await followed.first(1);
    expect(
      [...before, ...after].map(({ workerStatusChanged }) => [
        workerStatusChanged.sequence,
        workerStatusChanged.status,
      ]),
    ).toEqual([
      [1, "QUEUED"],
      [2, "PREPARING"],
      [3, "RUNNING"],
      [4, "SUCCEEDED"],
    ]);
  });

  test("with a smaller capacity than what runs, all are adopted and nothing more is taken", async () => {
    const parentSession = "smaller";
    const holders = await Promise.all(
      [1, 2, 3].map(() =>
        dispatch(server, { parentSession, repository, task: `echo $$; ${gate.wait}` }),
      ),
    );
    await Promise.all(holders.map(({ id }) => untilBegun(id)));
    await server.kill();
    await restart({ FACTORY_MAX_WORKERS: "2" });
    const next = await dispatch(server, { parentSession, repository, task: "true" });
    expect(await readWorker(server, next.id)).toMatchObject({
      status: "QUEUED",
      statusReason: "1st in the queue; 3 of 2 workers running",
    });
    await gate.open(3);
    expect((await untilEnded(server, next.id)).status).toBe("SUCCEEDED");
  });
});
