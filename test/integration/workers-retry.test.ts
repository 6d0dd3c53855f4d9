// What comes after a session's end: retries, and what becomes of its worktree.
import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import {
  cancel,
  createGate,
  dispatch,
  eventually,
  untilEnded,
  untilPrinted,
  workerFields,
  type Worker,
} from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
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

const retryMutation = `mutation ($input: RetryWorkerInput!) {
  retryWorker(input: $input) { created worker { ${workerFields} } }
}`;

async function retry(id: string, idempotencyKey?: string): Promise<Worker & { created: boolean }> {
  const { retryWorker } = await server.query<{ retryWorker: { created: boolean; worker: Worker } }>(
    retryMutation,
    { input: { id, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) } },
  );
  return { ...retryWorker.worker, created: retryWorker.created };
}

describe("a retry", () => {
  test("is a new session with the same input, in the same worktree with what is in it", async () => {
    const first = await dispatch(server, {
      parentSession: "retry",
      repository,
      task: 'echo "$FACTORY_WORKER" >> log.txt; git add .; git commit -qm Log; cat log.txt; [ $(wc -l < log.txt) = 2 ]',
      issue: "#70",
      base: "main",
      priority: 3,
      timeoutSeconds: 100,
      push: true,
    });
    const failed = await untilEnded(server, first.id);
    expect(failed).toMatchObject({ status: "FAILED", branch: "issue-70" });
    const again = await retry(first.name);
    expect(again).toMatchObject({
      created: true,
      branch: "issue-70",
      previous: { name: first.name },
    });
    const ended = await untilEnded(server, again.id);
    expect(ended).toMatchObject({
      status: "SUCCEEDED",
      stdout: `${first.name}\n${again.name}\n`,
      worktree: { path: failed.worktree!.path },
    });
    const { workerSession } = await server.query<{ workerSession: unknown }>(
      `query ($id: ID!) { workerSession(id: $id) {
        task issue base priority timeoutSeconds agent cleanup push parentSession { name }
      } }`,
      { id: again.id },
    );
    expect(workerSession).toMatchObject({
      issue: "#70",
      base: "main",
      priority: 3,
      timeoutSeconds: 100,
      agent: "shell",
      cleanup: "KEEP",
      push: true,
      parentSession: { name: "retry" },
    });
  });

  test("stands beside the first session, and both tell how their time was spent", async () => {
    const input = { repository, parentSession: "beside" };
    const first = await dispatch(server, { ...input, task: "echo some; echo output" });
    await untilEnded(server, first.id);
    const again = await retry(first.id);
    await untilEnded(server, again.id);
    const { workerSessions } = await server.query<{ workerSessions: unknown }>(
      `{ workerSessions(parentSession: "beside") { nodes {
        next { name } statusEvents { sequence previousStatus status }
      } } }`,
    );
    const statusEvents = ["QUEUED", "PREPARING", "RUNNING", "SUCCEEDED"].map(
      (status, at, all): unknown => ({
        sequence: at < 3 ? at + 1 : expect.any(Number),
        previousStatus: all[at - 1] ?? null,
        status,
      }),
    );
    expect(workerSessions).toEqual({
      nodes: [
        { next: [{ name: again.name }], statusEvents },
        { next: [], statusEvents },
      ],
    });
  });

  test("goes on on its branch where that has moved on from its base", async () => {
    const first = await dispatch(server, {
      parentSession: "retry",
      repository,
      branch: "retry/moved",
      base: "main",
      task: 'git commit -q --allow-empty -m "$FACTORY_WORKER"; git log --format=%s; exit 1',
    });
    await untilEnded(server, first.id);
    const again = await retry(first.id);
    const ended = await untilEnded(server, again.id);
    expect(ended.stdout).toBe(`${again.name}\n${first.name}\nBegin\n`);
    expect(ended.commits.map(({ subject }) => subject)).toEqual([again.name]);
  });

  test("before the end is WORKER_NOT_ENDED", async () => {
    const gate = await createGate();
    const { id, name } = await dispatch(server, {
      parentSession: "retry",
      repository,
      task: `echo here; ${gate.wait}`,
    });
    await untilPrinted(server, id, "here");
    const { errors } = await server.send(retryMutation, { input: { id } });
    expect(errors?.[0]?.extensions.code).toBe("WORKER_NOT_ENDED");
    expect(errors?.[0]?.message).toContain(name);
    await gate.open();
    await untilEnded(server, id);
    await gate.dispose();
  });

  test("has its idempotency key: the same key at the same time makes one session", async () => {
    const first = await dispatch(server, { parentSession: "retry-key", repository, task: "true" });
    await untilEnded(server, first.id);
    const answers = await Promise.all(Array.from({ length: 10 }, () => retry(first.id, "again")));
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(answers.filter(({ created }) => created)).toHaveLength(1);
    await untilEnded(server, answers[0]!.id);
    // The key is the parent's: another session's retry, or a dispatch, is another input.
    const mismatch = [
      await server.codes(retryMutation, { input: { id: answers[0]!.id, idempotencyKey: "again" } }),
      await server.codes(
        `mutation { dispatchWorker(input: { parentSession: "retry-key", agent: "shell", task: "true",
          repository: { owner: "acme", name: "app" }, idempotencyKey: "again" }) { created } }`,
      ),
    ];
    expect(mismatch).toEqual([["IDEMPOTENCY_MISMATCH"], ["IDEMPOTENCY_MISMATCH"]]);
  });

  test("of a session that never got its default branch doesn't take up the remote's", async () => {
    await git.pushCommit("acme", "app", "issue-71", { "theirs.txt": "theirs\n" });
    await git.createRepository("acme", "unseen");
    await git.pushCommit("acme", "unseen", "issue-71", { "theirs.txt": "theirs\n" });
    const clone = git.hold(/\/unseen\.git\//);
    const first = await dispatch(server, {
      parentSession: "retry",
      repository: { owner: "acme", name: "unseen" },
      issue: "71",
      task: "ls",
    });
    await clone.arrived;
    await cancel(server, first.id);
    clone.release();
    expect((await untilEnded(server, first.id)).status).toBe("CANCELLED");
    const again = await retry(first.id);
    const ended = await untilEnded(server, again.id);
    expect(ended).toMatchObject({ branch: `issue-71-${again.name}`, stdout: "README.md\n" });
  });

  test("outlives its repository's deletion: it is cloned again", async () => {
    await git.createRepository("acme", "gone");
    const first = await dispatch(server, {
      parentSession: "retry-gone",
      repository: { owner: "acme", name: "gone" },
      task: "true",
    });
    await untilEnded(server, first.id);
    await server.query(
      `mutation { deleteRepository(input: { owner: "acme", name: "gone", force: true }) { name } }`,
    );
    const { workerSession } = await server.query<{ workerSession: unknown }>(
      `query ($id: ID!) { workerSession(id: $id) {
        status repositoryName repository { id } worktree { id } events { sequence }
      } }`,
      { id: first.id },
    );
    expect(workerSession).toMatchObject({
      status: "SUCCEEDED",
      repositoryName: "acme/gone",
      repository: null,
      worktree: null,
    });
    const again = await retry(first.id);
    expect((await untilEnded(server, again.id)).status).toBe("SUCCEEDED");
  });
});

describe("cleanup", () => {
  async function untilGone(branch: string): Promise<void> {
    await eventually(async () => {
      const { worktree } = await server.query<{ worktree: unknown }>(
        `query ($branch: String!) { worktree(owner: "acme", name: "app", branch: $branch) { id } }`,
        { branch },
      );
      return worktree === null;
    });
  }

  /** A cleanup that was refused shows in the log alone. */
  async function untilRefused(worker: string): Promise<void> {
    await eventually(() =>
      server.log.some((line) => line.includes(`"${worker}"`) && line.includes("it stays")),
    );
  }

  const clean = "echo nothing changed";
  const fail = "exit 1";
  const uncommitted = "echo work > work.txt";
  const unpushed = 'git commit -q --allow-empty -m "Work"';
  const pushed = 'git commit -q --allow-empty -m "Work" && git push -q origin HEAD';
  test.each([
    ["ON_SUCCESS", "nothing to lose", clean],
    ["ON_SUCCESS", "commits that were pushed", pushed],
    ["ALWAYS", "nothing to lose", clean],
    ["ALWAYS", "a failure", fail],
  ])("%s with %s removes worktree and branch", async (cleanup, what, task) => {
    const branch = `gone/${cleanup}/${what.replaceAll(" ", "-")}`.toLowerCase();
    const { id } = await dispatch(server, {
      parentSession: "cleanup",
      repository,
      branch,
      cleanup,
      task,
    });
    const ended = await untilEnded(server, id);
    expect(ended.status).toBe(task === fail ? "FAILED" : "SUCCEEDED");
    await untilGone(branch);
    expect(existsSync(`${server.home}/worktrees/acme/app/${branch}`)).toBe(false);
    const heads = `${server.home}/repositories/${git.host}/acme/app.git/refs/heads`;
    expect(existsSync(heads)).toBe(true);
    expect(existsSync(`${heads}/${branch}`)).toBe(false);
  });

  test.each([
    ["ON_SUCCESS", "uncommitted files", uncommitted, "?? work.txt\nBegin\n"],
    ["ON_SUCCESS", "commits that were not pushed", unpushed, "Work\nBegin\n"],
    ["ALWAYS", "uncommitted files", uncommitted, "?? work.txt\nBegin\n"],
    ["ALWAYS", "commits that were not pushed", unpushed, "Work\nBegin\n"],
  ])("%s with %s deletes nothing", async (cleanup, what, task, left) => {
    const branch = `stays/${cleanup}/${what.replaceAll(" ", "-")}`.toLowerCase();
    const input = { parentSession: "cleanup", repository, branch };
    const { id, name } = await dispatch(server, { ...input, cleanup, task });
    expect((await untilEnded(server, id)).status).toBe("SUCCEEDED");
    await untilRefused(name);
    const next = await dispatch(server, {
      ...input,
      task: "git status --short; git log --format=%s",
    });
    expect((await untilEnded(server, next.id)).stdout).toBe(left);
  });

  test.each([
    ["KEEP", clean],
    ["ON_SUCCESS", fail],
  ])("%s after %s leaves an empty worktree", async (cleanup, task) => {
    const branch = `kept/${cleanup}`.toLowerCase();
    const input = { parentSession: "cleanup", repository, branch };
    const { id } = await dispatch(server, { ...input, cleanup, task });
    const { worktree } = await untilEnded(server, id);
    // What is done after an end is done in order, so by this one's cleanup the other's is over.
    const last = await dispatch(server, {
      parentSession: "cleanup",
      repository,
      branch: `${branch}-last`,
      cleanup: "ALWAYS",
      task: clean,
    });
    await untilEnded(server, last.id);
    await untilGone(`${branch}-last`);
    expect(existsSync(worktree!.path)).toBe(true);
  });

  test("the session keeps its commits after its worktree is gone", async () => {
    const { id } = await dispatch(server, {
      parentSession: "cleanup",
      repository,
      branch: "cleanup/commits",
      cleanup: "ALWAYS",
      task: pushed,
    });
    await untilEnded(server, id);
    await untilGone("cleanup/commits");
    const ended = await untilEnded(server, id);
    expect(ended.worktree).toBeNull();
    expect(ended.commits.map(({ subject }) => subject)).toEqual(["Work"]);
  });
});
