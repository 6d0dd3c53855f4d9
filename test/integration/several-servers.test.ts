// An api server and two runners on one Postgres, each with a FACTORY_HOME of its own.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import {
  clone,
  codeOf,
  createWorktree,
  deleteRepository,
  deleteWorktree,
  faultOf,
  inspectWorktree,
  readWorktree,
  sendCreateWorktree,
  sendDeleteRepository,
  sendDeleteWorktree,
  sync,
  untilRepository,
} from "../support/repositories.ts";
import { leaseSeconds, listRunners, startSeveral, type Several } from "../support/several.ts";
import {
  createGate,
  dispatch,
  eventually,
  followWorker,
  readWorker,
  untilEnded,
  untilPrinted,
  untilStatus,
} from "../support/workers.ts";

let git: GitServer;
let several: Several;
let api: FactoryServer;
const name = { owner: "acme", name: "shared" };

beforeAll(async () => {
  git = await startGitServer();
  several = await startSeveral(git, { runners: 2, env: { FACTORY_MAX_WORKERS: "3" } });
  ({ api } = several);
  await git.createRepository("acme", "shared", { files: { "a.txt": "a\n" } });
});

afterAll(async () => {
  await several.dispose();
  await git.stop();
});

/** Its name, and the server: where a branch's worktree is. */
async function holderOf(branch: string): Promise<[string, FactoryServer]> {
  const holder = (await readWorktree(api, { ...name, branch }))?.runner ?? "";
  const server = several.runners.get(holder);
  if (server === undefined) throw new Error(`no runner ${holder} holds ${branch}`);
  return [holder, server];
}

test("the api server lists its runners, and answers for what they hold", async () => {
  expect(await listRunners(api)).toEqual(
    [...several.runners.keys()]
      .toSorted()
      .map((runner) =>
        expect.objectContaining({ name: runner, capacity: 3, running: 0, alive: true }),
      ),
  );
  const { agents } = await api.query<{ agents: { name: string; capabilities: string[] }[] }>(
    "{ agents { name capabilities } }",
  );
  expect(agents).toContainEqual({
    name: "shell",
    capabilities: ["COMMAND_TASK", "TERMINAL_OUTPUT"],
  });
  await clone(api, name);
  const { headCommit } = await untilRepository(api, name, "SYNCED");
  const { worktree } = await createWorktree(api, { ...name, branch: "made-by-hand" });
  expect(worktree).toMatchObject({ status: "READY", baseCommit: headCommit });
  const pushed = await git.pushCommit("acme", "shared", "main", { "b.txt": "b\n" });
  expect((await sync(api, name)).repository.headCommit).toBe(pushed);
  expect(await inspectWorktree(api, { ...name, branch: "made-by-hand" })).toMatchObject({
    headCommit,
    commitsAhead: 0,
    changedFiles: 0,
  });
  await deleteWorktree(api, { ...name, branch: "made-by-hand" });
  expect(await readWorktree(api, { ...name, branch: "made-by-hand" })).toBeNull();
  // What a runner refuses is refused with its own code.
  expect(codeOf(await sendCreateWorktree(api, { ...name, branch: "x", base: "nowhere" }))).toBe(
    "BASE_NOT_FOUND",
  );
});

test("a runner's own port says that it is there, and no more", async () => {
  const [runner] = several.runners.values();
  expect((await runner?.fetch("/healthz"))?.status).toBe(200);
  expect((await runner?.fetch("/readyz"))?.status).toBe(200);
  expect((await runner?.fetch("/graphql"))?.status).toBe(404);
});

test("both runners take sessions, each in a clone of its own, and a worker reaches the api server", async () => {
  const gate = await createGate();
  const task = `git log -1 --format=%H; git commit -q --allow-empty -m "by $FACTORY_WORKER"; ${gate.wait}; curl -sf -H "authorization: Bearer $FACTORY_TOKEN" -H 'content-type: application/json' -d '{"query":"mutation { reportWorker(input: {message: \\"done\\", outcome: SUCCEEDED}) { worker { name } } }"}' $FACTORY_URL/graphql`;
  const workers = await Promise.all(
    Array.from({ length: 6 }, () =>
      dispatch(api, { parentSession: "both", task, repository: name }),
    ),
  );
  await Promise.all(workers.map(({ id }) => untilStatus(api, id, "RUNNING")));
  expect(await api.query("{ workerSessions { nodes { capabilities } } }")).toEqual({
    workerSessions: {
      nodes: workers.map(() => ({ capabilities: ["COMMAND_TASK", "TERMINAL_OUTPUT"] })),
    },
  });
  await eventually(async () => (await listRunners(api)).every(({ running }) => running === 3));
  // Read live, from the runner that holds it.
  await eventually(async () => (await readWorker(api, workers[0]?.id ?? "")).commits.length === 1);
  await gate.open(workers.length);
  for (const { id } of workers) {
    const { status, commits, summary } = await untilEnded(api, id);
    expect({ status, summary }).toEqual({ status: "SUCCEEDED", summary: "done" });
    expect(commits).toHaveLength(1);
  }
  await gate.dispose();
});

test("a private repository is cloned by every runner that needs it", async () => {
  const secret = { owner: "acme", name: "private" };
  await git.createRepository("acme", "private");
  git.requireAuth("acme", "private", { username: "ada", password: "correct-horse" });
  await clone(api, { ...secret, url: `http://ada:correct-horse@${git.host}/acme/private.git` });
  await untilRepository(api, secret, "SYNCED");
  const gate = await createGate();
  const workers = await Promise.all(
    Array.from({ length: 6 }, () =>
      dispatch(api, { parentSession: "private", task: gate.wait, repository: secret }),
    ),
  );
  await Promise.all(workers.map(({ id }) => untilStatus(api, id, "RUNNING")));
  expect((await listRunners(api)).map(({ running }) => running)).toEqual([3, 3]);
  await gate.open(workers.length);
  for (const { id } of workers) expect((await untilEnded(api, id)).status).toBe("SUCCEEDED");
  await gate.dispose();
});

test("a further dispatch to a branch runs where its worktree is", async () => {
  const first = await dispatch(api, {
    parentSession: "again",
    task: "echo 1 > made.txt",
    repository: name,
    branch: "again",
  });
  await untilEnded(api, first.id);
  for (let count = 0; count < 3; count += 1) {
    const next = await dispatch(api, {
      parentSession: "again",
      task: "cat made.txt",
      repository: name,
      branch: "again",
    });
    expect((await untilEnded(api, next.id)).stdout).toBe("1\n");
  }
});

test("what a runner that is away holds is told so, and waits for it", async () => {
  const { id } = await dispatch(api, {
    parentSession: "away",
    task: "echo 1 > made.txt",
    repository: name,
    branch: "away",
  });
  await untilEnded(api, id);
  const [holder, server] = await holderOf("away");
  await server.kill();
  await eventually(async () =>
    (await listRunners(api)).some((runner) => runner.name === holder && !runner.alive),
  );
  const refused = faultOf(await sendDeleteWorktree(api, { ...name, branch: "away", force: true }));
  expect(refused.extensions.code).toBe("RUNNER_UNAVAILABLE");
  expect(refused.message).toContain(holder);
  expect(codeOf(await sendDeleteRepository(api, { ...name, force: true }))).toBe(
    "RUNNER_UNAVAILABLE",
  );
  const waiting = await dispatch(api, {
    parentSession: "away",
    task: "cat made.txt",
    repository: name,
    branch: "away",
  });
  const elsewhere = await dispatch(api, {
    parentSession: "away",
    task: "true",
    repository: name,
    branch: "elsewhere",
  });
  await untilEnded(api, elsewhere.id);
  const queued = await readWorker(api, waiting.id);
  expect(queued.status).toBe("QUEUED");
  expect(queued.statusReason).toContain(`${holder}, which holds its worktree, is away`);

  several.runners.set(holder, await server.restart());
  expect((await untilEnded(api, waiting.id)).stdout).toBe("1\n");
});

test("a runner that misses a renewal loses nothing", async () => {
  const gate = await createGate();
  const { id } = await dispatch(api, {
    parentSession: "missed",
    task: gate.wait,
    repository: name,
    branch: "missed",
    retries: 1,
  });
  await untilStatus(api, id, "RUNNING");
  const [holder, server] = await holderOf("missed");
  const lastSeenAt = async () =>
    (await listRunners(api)).find((runner) => runner.name === holder)?.lastSeenAt ?? "";
  server.process.kill("SIGSTOP");
  try {
    // As long as it takes for one renewal to be missed, a third of the lease.
    const before = await lastSeenAt();
    await eventually(
      () => Date.now() - new Date(before).getTime() > 1.5 * (leaseSeconds / 3) * 1000,
    );
    expect(await lastSeenAt()).toBe(before);
  } finally {
    server.process.kill("SIGCONT");
  }
  await gate.open();
  const { status, events } = await untilEnded(api, id);
  expect(status).toBe("SUCCEEDED");
  expect(events.filter(({ status: told }) => told === "QUEUED")).toHaveLength(1);
  await gate.dispose();
});

test("a repository is deleted with its worktrees and clones on every runner", async () => {
  await deleteRepository(api, { ...name, force: true });
  await clone(api, name);
  await untilRepository(api, name, "SYNCED");
});

test("sixty sessions, a runner killed under them and started again: each ends once, as it should", async () => {
  const gate = await createGate();
  const held = await Promise.all(
    Array.from({ length: 6 }, (_, index) =>
      dispatch(api, {
        parentSession: "sixty",
        task: `echo attempt; ${gate.wait}`,
        repository: name,
        branch: `held-${String(index)}`,
        // One of the others ends when its runner is lost.
        retries: index < 3 ? 1 : 0,
      }),
    ),
  );
  await Promise.all(held.map(({ id }) => untilPrinted(api, id, "attempt")));
  const rest = await Promise.all(
    Array.from({ length: 54 }, (_, index) =>
      dispatch(api, { parentSession: "sixty", task: `echo ${String(index)}`, repository: name }),
    ),
  );
  const holders = await Promise.all(held.map((_, index) => holderOf(`held-${String(index)}`)));
  const [lost, server] = holders[0] ?? ["", undefined];
  if (server === undefined) throw new Error("nobody holds the first");
  await server.kill();
  const isLost = held.map((_, index) => holders[index]?.[0] === lost);
  expect(isLost).toContain(true);
  for (const [index, { id }] of held.entries()) {
    if (isLost[index] !== true) continue;
    if (index >= 3) await untilEnded(api, id);
    else await untilQueuedAgain(id);
  }

  several.runners.set(lost, await server.restart());
  // As many as were started, twice at most.
  await gate.open(2 * held.length);
  const ended = await Promise.all([...held, ...rest].map(({ id }) => untilEnded(api, id)));
  for (const [index, worker] of ended.entries()) {
    const status = index >= 3 && isLost[index] === true ? "LOST" : "SUCCEEDED";
    expect([worker.name, worker.status]).toEqual([worker.name, status]);
    const sequences = worker.events.map(({ sequence }) => sequence);
    expect(sequences).toEqual(sequences.map((_, at) => at + 1));
    const finals = worker.events.filter(({ status }) => status === worker.status);
    expect(finals).toHaveLength(1);
  }
  // A retried one printed once in each attempt, and what the first one's process did later is nowhere.
  const retried = ended.filter((_, index) => index < 3 && isLost[index] === true);
  for (const worker of retried) expect(worker.stdout).toBe("attempt\nattempt\n");
  await gate.dispose();
}, 180_000);

async function untilQueuedAgain(id: string): Promise<void> {
  const followed = followWorker(api, id, 0);
  await followed.until((all) =>
    all.some(
      ({ workerEvents: event }) => event.status === "QUEUED" && event.previousStatus != null,
    ),
  );
  followed.end();
}
