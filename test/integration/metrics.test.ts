// What operators measure: /metrics, as Prometheus reads it.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { startSeveral } from "../support/several.ts";
import {
  createGate,
  dispatch,
  followParent,
  readWorker,
  untilEnded,
  untilPrinted,
  type Gate,
} from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
let gate: Gate;
const repository = { owner: "acme", name: "app" };

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app");
  server = await startFactory({ git });
  gate = await createGate();
});

afterAll(async () => {
  await gate.dispose();
  await server.dispose();
  await git.stop();
});

/** Values by their name with its labels, as they stand in the text. */
async function read(from: FactoryServer): Promise<ReadonlyMap<string, number>> {
  const response = await from.fetch("/metrics");
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const lines = (await response.text()).split("\n");
  return new Map(
    lines
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => {
        const end = line.lastIndexOf(" ");
        return [line.slice(0, end), Number(line.slice(end + 1))] as const;
      }),
  );
}

const sessions = (status: string, agent = "shell") =>
  `factory_sessions{status="${status}",agent="${agent}"}`;

test("an idle server tells of itself, and of a queue that is empty", async () => {
  const values = await read(server);
  expect(values.get("factory_queue_depth")).toBe(0);
  expect(values.get("factory_queue_oldest_seconds")).toBe(0);
  expect(values.get("factory_capacity")).toBe(4);
  expect(values.get("factory_database_up")).toBe(1);
  expect([...values.keys()]).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^factory_info\{version="\d+\.\d+\.\d+",role="all"\}$/),
      "process_resident_memory_bytes",
      "nodejs_eventloop_lag_p99_seconds",
    ]),
  );
});

test("sessions by status and agent, the queue and its age, and subscribers are as they are now", async () => {
  const branch = "metrics";
  const task = `echo up; ${gate.wait}`;
  const running = await dispatch(server, { parentSession: "m", repository, branch, task });
  await untilPrinted(server, running.name, "up");
  const queued = await dispatch(server, { parentSession: "m", repository, branch, task: "exit 1" });
  const followed = [followParent(server, "m", 0), followParent(server, "m", 0)];
  await Promise.all(followed.map((each) => each.first(1)));

  const busy = await read(server);
  expect(busy.get(sessions("RUNNING"))).toBe(1);
  expect(busy.get(sessions("QUEUED"))).toBe(1);
  expect(busy.get(sessions("SUCCEEDED"))).toBe(0);
  expect(busy.get("factory_queue_depth")).toBe(1);
  expect(busy.get("factory_queue_oldest_seconds")).toBeGreaterThan(0);
  expect(busy.get("factory_queue_oldest_seconds")).toBeLessThan(60);
  expect(busy.get('factory_subscribers{stream="parent"}')).toBe(2);

  for (const each of followed) each.end();
  await gate.open();
  await untilEnded(server, queued.name);
  const idle = await read(server);
  expect(idle.get(sessions("RUNNING"))).toBe(0);
  expect(idle.get(sessions("SUCCEEDED"))).toBe(1);
  expect(idle.get(sessions("FAILED"))).toBe(1);
  expect(idle.get("factory_queue_depth")).toBe(0);
  expect(idle.get("factory_queue_oldest_seconds")).toBe(0);
  expect(idle.get('factory_subscribers{stream="parent"}')).toBe(0);
});

test("the phases of a dispatch, calls of git and appended events are counted", async () => {
  const before = await read(server);
  const { name } = await dispatch(server, { parentSession: "m", repository, task: "echo out" });
  const { events } = await untilEnded(server, name);
  const after = await read(server);
  const more = (key: string) => (after.get(key) ?? 0) - (before.get(key) ?? 0);

  for (const phase of ["queued", "fetch", "worktree", "spawn"]) {
    expect([phase, more(`factory_dispatch_phase_seconds_count{phase="${phase}"}`)]).toEqual([
      phase,
      1,
    ]);
  }
  // Its only clone was the first dispatch's.
  expect(after.get('factory_dispatch_phase_seconds_count{phase="clone"}')).toBe(1);
  expect(more('factory_git_call_seconds_count{command="reset",outcome="ok"}')).toBe(1);
  expect(more('factory_events_appended_total{type="output"}')).toBe(1);
  // Each is told to the worker's own stream, and its parent has a type of its own.
  const statuses = events.filter((event) => event.__typename === "WorkerStatusEvent");
  expect(more('factory_events_appended_total{type="status"}')).toBe(statuses.length);
});

test("a git that fails is counted as such", async () => {
  const input = {
    parentSession: "m",
    repository: { owner: "acme", name: "missing" },
    task: "true",
  };
  const { name } = await dispatch(server, input);
  expect((await untilEnded(server, name)).status).toBe("FAILED");
  const values = await read(server);
  expect(
    values.get('factory_git_call_seconds_count{command="ls-remote",outcome="failed"}'),
  ).toBeGreaterThanOrEqual(1);
});

describe("who may read", () => {
  test("a worker's token is refused", async () => {
    const held = await dispatch(server, {
      ...{ parentSession: "m", repository, branch: "token" },
      task: `printf %s "$FACTORY_TOKEN" >.token; echo up; ${gate.wait}`,
    });
    await untilPrinted(server, held.name, "up");
    const { worktree } = await readWorker(server, held.name);
    const token = await readFile(join(worktree!.path, ".token"), "utf8");
    const response = await server.fetch("/metrics", {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ error: { code: "FORBIDDEN" } });
    await gate.open();
    await untilEnded(server, held.name);
  });
});

test("of several servers, each tells what is global and measures what is its own", async () => {
  const several = await startSeveral(git, { runners: 1 });
  try {
    const [runner] = several.runners.values();
    const { id } = await dispatch(several.api, { parentSession: "s", repository, task: "true" });
    await untilEnded(several.api, id);
    const [api, local] = [await read(several.api), await read(runner!)];
    for (const values of [api, local]) expect(values.get(sessions("SUCCEEDED"))).toBe(1);
    const spawned = 'factory_dispatch_phase_seconds_count{phase="spawn"}';
    expect([api.get(spawned), local.get(spawned)]).toEqual([undefined, 1]);
  } finally {
    await several.dispose();
  }
});
