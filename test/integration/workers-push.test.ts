// What a session leaves at its end: its branch on the remote, where that was asked for, and how much it changed.
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import {
  cancel,
  createGate,
  dispatch,
  dispatchMutation,
  eventually,
  untilEnded,
  type Ended,
} from "../support/workers.ts";

let git: GitServer;
/** The one that runs now. */
let server: FactoryServer;
let name: string;
let count = 0;

beforeAll(async () => {
  git = await startGitServer();
  server = await startFactory({ git });
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
});

beforeEach(async () => {
  count += 1;
  name = `push-${String(count)}`;
  await git.createRepository("acme", name);
});

const commitWork = 'echo work > work.txt; git add work.txt; git commit -q -m "Work"';

interface Results {
  readonly push: boolean;
  readonly pushedTo: string | null;
  readonly diffStatistics: { filesChanged: number; additions: number; deletions: number } | null;
}

async function results(id: string): Promise<Results> {
  const { workerSession } = await server.query<{ workerSession: Results }>(
    `query ($id: ID!) { workerSession(id: $id) {
      push pushedTo diffStatistics { filesChanged additions deletions }
    } }`,
    { id },
  );
  return workerSession;
}

function start(more: Readonly<Record<string, unknown>> = {}) {
  return dispatch(server, {
    parentSession: "pusher",
    repository: { owner: "acme", name },
    branch: "work",
    task: commitWork,
    push: true,
    ...more,
  });
}

const remoteTip = (branch = "work") =>
  git.git("acme", name, "for-each-ref", "--format=%(objectname)", `refs/heads/${branch}`);

async function hook(script: string): Promise<void> {
  const path = join(git.folder, "acme", `${name}.git`, "hooks", "pre-receive");
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
}

/** The work is where the worker left it, and nowhere else. */
async function expectKept(ended: Ended): Promise<void> {
  expect(ended.commits.map(({ subject }) => subject)).toEqual(["Work"]);
  expect(await results(ended.id)).toMatchObject({
    pushedTo: null,
    diffStatistics: { filesChanged: 1, additions: 1, deletions: 0 },
  });
  const next = await start({ push: false, task: "git log -1 --format=%s" });
  expect((await untilEnded(server, next.id)).stdout).toBe("Work\n");
}

describe("a session that is to be pushed", () => {
  test("has its branch on the remote once it has SUCCEEDED, and says where", async () => {
    const { id } = await start();
    const ended = await untilEnded(server, id);
    expect(ended).toMatchObject({ status: "SUCCEEDED", statusReason: null, failureCode: null });
    expect(await results(id)).toEqual({
      push: true,
      pushedTo: `http://${git.host}/acme/${name}.git refs/heads/work`,
      diffStatistics: { filesChanged: 1, additions: 1, deletions: 0 },
    });
    expect(await remoteTip()).toBe(ended.commits[0]?.id);
  });

  test("is pushed before it is tidied up, so that nothing is left here", async () => {
    const { id } = await start({ cleanup: "ON_SUCCESS" });
    await untilEnded(server, id);
    await eventually(async () => {
      const { worktree } = await server.query<{ worktree: unknown }>(
        `query ($name: String!) { worktree(owner: "acme", name: $name, branch: "work") { id } }`,
        { name },
      );
      return worktree === null;
    });
    expect(await remoteTip()).not.toBe("");
  });

  test.each([
    ["fails", `${commitWork}; exit 1`, "FAILED"],
    ["reports failure", "FAILED", "FAILED"],
  ])("isn't pushed where it %s", async (_how, task, status) => {
    const report = `curl -sS "$FACTORY_URL/graphql" -H "Authorization: Bearer $FACTORY_TOKEN" -H 'Content-Type: application/json' --data-raw '{"query":"mutation { reportWorker(input: { message: \\"no\\", outcome: FAILED }) { worker { name } } }"}'`;
    const { id } = await start({ task: task === "FAILED" ? `${commitWork}; ${report}` : task });
    expect((await untilEnded(server, id)).status).toBe(status);
    expect(await remoteTip()).toBe("");
    expect((await results(id)).pushedTo).toBeNull();
  });

  test.each([
    ["git checkout -q -b mine-$FACTORY_WORKER", (worker: string) => `mine-${worker}`],
    ["git checkout -q --detach", () => "no branch"],
  ])(
    "that leaves its branch (%s) says where the work is, and is not pushed",
    async (leave, where) => {
      const task = `${leave}; git commit -q --allow-empty -m "$FACTORY_WORKER"`;
      const kept = await untilEnded(
        server,
        (await start({ push: false, branch: "kept", task })).id,
      );
      expect(kept).toMatchObject({
        status: "SUCCEEDED",
        statusReason: `1 commit is on ${where(kept.name)} in its worktree, and not on its branch kept`,
        commits: [],
      });
      const pushed = await untilEnded(server, (await start({ task })).id);
      expect(pushed).toMatchObject({ status: "FAILED", failureCode: "BRANCH_CONFLICT" });
      expect(pushed.statusReason).toContain(`1 commit is on ${where(pushed.name)}`);
      expect(await remoteTip()).toBe("");
    },
  );

  test("without push: true stays here", async () => {
    const { id } = await start({ push: false });
    expect((await untilEnded(server, id)).status).toBe("SUCCEEDED");
    expect(await remoteTip()).toBe("");
    expect(await results(id)).toMatchObject({ push: false, pushedTo: null });
  });

  test("is FAILED with the hook's words where the remote declines it, and nothing is lost", async () => {
    await hook("echo 'Not on Mondays.' >&2; exit 1");
    const { id } = await start({ cleanup: "ALWAYS" });
    const ended = await untilEnded(server, id);
    expect(ended).toMatchObject({ status: "FAILED", failureCode: "FORBIDDEN", exitCode: 0 });
    expect(ended.statusReason).toMatch(/^the work is done, but .*Not on Mondays/);
    await expectKept(ended);
  });

  test("is FAILED where the remote's branch has moved on, which stays as it is", async () => {
    const gate = await createGate();
    const { id } = await start({ task: `${commitWork}; ${gate.wait}` });
    await eventually(async () => {
      const { workerSession } = await server.query<{ workerSession: { commits: unknown[] } }>(
        `query ($id: ID!) { workerSession(id: $id) { commits { id } } }`,
        { id },
      );
      return workerSession.commits.length === 1;
    });
    const theirs = await git.pushCommit("acme", name, "work", { "theirs.txt": "theirs\n" });
    await gate.open();
    const ended = await untilEnded(server, id);
    expect(ended).toMatchObject({ status: "FAILED", failureCode: "BRANCH_CONFLICT" });
    expect(await remoteTip()).toBe(theirs);
    await expectKept(ended);
  });

  test("that is cancelled during the push is CANCELLED", async () => {
    const held = git.hold(new RegExp(`/${name}\\.git/git-receive-pack`));
    const { id } = await start();
    await held.arrived;
    await cancel(server, id, "not needed");
    expect(await untilEnded(server, id)).toMatchObject({
      status: "CANCELLED",
      statusReason: "cancelled: not needed",
    });
    held.release();
    expect((await results(id)).pushedTo).toBeNull();
  });

  test("is pushed once where the server is killed in the middle", async () => {
    const folder = await mkdtemp(join(tmpdir(), "factory-pushed-"));
    const gate = await createGate();
    // Who comes when the gate is gone passes too.
    await hook(`${gate.wait}; exit 0`);
    const received = join(git.folder, "acme", `${name}.git`, "hooks", "post-receive");
    await writeFile(received, `#!/bin/sh\ncat >> '${folder}/log'\n`);
    await chmod(received, 0o755);
    const { id } = await start();
    const pushes = () => git.requestCount(new RegExp(`/${name}\\.git/git-receive-pack`));
    await eventually(() => pushes() === 1);
    await server.kill();
    server = await server.restart({ PORT: new URL(server.url).port });
    await eventually(() => pushes() === 2);
    await gate.dispose();
    const ended = await untilEnded(server, id);
    expect(ended).toMatchObject({ status: "SUCCEEDED", failureCode: null });
    expect((await results(id)).pushedTo).toContain("refs/heads/work");
    expect(await remoteTip()).toBe(ended.commits[0]?.id);
    expect((await readFile(join(folder, "log"), "utf8")).trim().split("\n")).toHaveLength(1);
    await rm(folder, { recursive: true, force: true });
  });
});

/** What a session's end says of its work: in its row, in its own stream and in its parent's. */
interface EndFacts {
  readonly commitCount: number | null;
  readonly uncommittedFileCount: number | null;
  readonly summary: string | null;
  readonly reason: string | null;
}

async function endFacts(id: string) {
  const { workerSession, waitForWorkers } = await server.query<{
    workerSession: {
      name: string;
      commitCount: number | null;
      uncommittedFileCount: number | null;
      statusEvents: EndFacts[];
    };
    waitForWorkers: (EndFacts & { status: string; worker: { name: string } })[];
  }>(
    `query ($id: ID!) {
      workerSession(id: $id) {
        name commitCount uncommittedFileCount
        statusEvents { reason commitCount uncommittedFileCount summary }
      }
      waitForWorkers(parentSession: "pusher", after: 0) {
        status reason commitCount uncommittedFileCount summary worker { name }
      }
    }`,
    { id },
  );
  const { name, statusEvents, ...row } = workerSession;
  const changes = waitForWorkers.filter(({ worker }) => worker.name === name);
  return { row, statusEvents, changes };
}

describe("the end of a session says", () => {
  const leaveTwo = "echo a > a.txt; mkdir b; echo b > b/b.txt";
  const report = `curl -sS "$FACTORY_URL/graphql" -H "Authorization: Bearer $FACTORY_TOKEN" -H 'Content-Type: application/json' --data-raw '{"query":"mutation { reportWorker(input: { message: \\"'$(printf %0600d 7)'\\", outcome: SUCCEEDED }) { worker { name } } }"}' > /dev/null`;

  test.each([
    [leaveTwo, "2 changed files are not committed", 0, 2],
    [`${commitWork}; echo more >> work.txt`, "1 changed file is not committed", 1, 1],
    ["true", "no commits were made", 0, 0],
    [commitWork, null, 1, 0],
    [`${report}; ${leaveTwo}`, "reported success; 2 changed files are not committed", 0, 2],
  ])("what isn't committed, after %s", async (task, reason, commitCount, uncommittedFileCount) => {
    const { id } = await start({ push: false, task });
    expect(await untilEnded(server, id)).toMatchObject({
      status: "SUCCEEDED",
      statusReason: reason,
      failureCode: null,
    });
    const { row, statusEvents, changes } = await endFacts(id);
    expect(row).toEqual({ commitCount, uncommittedFileCount });
    const summary = task.startsWith("curl") ? "0".repeat(500) : null;
    const facts = { reason, commitCount, uncommittedFileCount, summary };
    expect(statusEvents.at(-1)).toEqual(facts);
    expect(changes.at(-1)).toMatchObject({ status: "SUCCEEDED", ...facts });
    const unknown = { commitCount: null, uncommittedFileCount: null, summary: null };
    for (const event of [...statusEvents.slice(0, -1), ...changes.slice(0, -1)]) {
      expect(event).toMatchObject(unknown);
    }
  });

  test.each([
    ["uncommitted", leaveTwo, /2 changed files are not committed/],
    ["partly committed", `${commitWork}; ${leaveTwo}`, /2 changed files are not committed/],
    ["staged", "echo a > a.txt; git add a.txt", /1 changed file is not committed/],
    ["reported as done", `${leaveTwo}; ${report}`, /2 changed files are not committed/],
  ])("FAILED where it was to be pushed and its work is %s", async (_how, task, reason) => {
    const { id } = await start({ task });
    const ended = await untilEnded(server, id);
    expect(ended).toMatchObject({ status: "FAILED", failureCode: "WORKTREE_DIRTY", exitCode: 0 });
    expect(ended.statusReason).toMatch(reason);
    expect(await remoteTip()).toBe("");
    expect((await endFacts(id)).changes.at(-1)).toMatchObject({
      status: "FAILED",
      reason: ended.statusReason,
      commitCount: task.includes("git commit") ? 1 : 0,
    });
  });

  const conflicting = `
    set -e; git checkout -q -b other-$FACTORY_WORKER; echo one > c.txt; git add c.txt; git commit -q -m One
    git checkout -q work; echo two > c.txt; git add c.txt; git commit -q -m Two; set +e`;
  const other = "other-$FACTORY_WORKER";
  test.each([
    ["a merge", `${conflicting}; git merge ${other}; true`],
    ["a rebase", `${conflicting}; git rebase ${other}; true`],
    ["a cherry-pick", `${conflicting}; git cherry-pick ${other}; true`],
    [
      "a revert",
      `${conflicting}; echo three > c.txt; git commit -qam Three; git revert HEAD~1; true`,
    ],
    ["a bisect", `${conflicting}; git bisect start; git bisect bad; git bisect good HEAD~1; true`],
    ["a merge", `${conflicting}; git merge ${other}; git checkout -q --ours c.txt; git add c.txt`],
    ["git am", `${conflicting}; git format-patch -1 --stdout ${other} | git am; true`],
  ])("that it came in the middle of %s", async (what, task) => {
    const middle = `it ended in the middle of ${what}`;
    const pushed = await untilEnded(server, (await start({ task })).id);
    expect(pushed).toMatchObject({ status: "FAILED", failureCode: "WORKTREE_DIRTY" });
    expect(pushed.statusReason).toContain(middle);
    expect(await remoteTip()).toBe("");
    // Whatever became of it otherwise. It stands there still, in the worktree that the next one gets.
    const kept = await untilEnded(server, (await start({ push: false, task: "true" })).id);
    expect(kept.status).toBe("SUCCEEDED");
    expect(kept.statusReason).toContain(middle);
  });

  test("the same where it failed", async () => {
    const { id } = await start({ task: `${conflicting}; git merge ${other}` });
    expect(await untilEnded(server, id)).toMatchObject({
      status: "FAILED",
      statusReason: "exit code 1; it ended in the middle of a merge",
    });
  });
});

describe("what an agent can't be held to", () => {
  test.each([{ permissions: "ASK" }, { maxCostUsd: 1.5 }, { maxTurns: 3 }])(
    "is NOT_SUPPORTED: %j for the agent shell",
    async (more) => {
      const { errors } = await server.send(dispatchMutation, {
        input: {
          agent: "shell",
          parentSession: "bounds",
          repository: { owner: "acme", name },
          task: "true",
          ...more,
        },
      });
      expect(errors?.[0]?.extensions.code).toBe("NOT_SUPPORTED");
    },
  );
});
