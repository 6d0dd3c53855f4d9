// Asked for many times at the same moment.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { takeInventory } from "../support/inventory.ts";
import {
  cloned,
  createWorktree,
  readRepository,
  sendDeleteWorktree,
} from "../support/repositories.ts";
import { dispatch, untilEnded } from "../support/workers.ts";
import { runGit } from "../support/worktree-git.ts";

let git: GitServer;
let server: FactoryServer;

beforeAll(async () => {
  git = await startGitServer();
  server = await startFactory({
    git,
    env: {
      FACTORY_MAX_WORKERS: "20",
      // No fetch after the clone, so that what the git server was asked is the clone's alone.
      FACTORY_SYNC_MAX_AGE: "600",
    },
  });
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
});

function branchesOf(refs: readonly string[], name: string): string[] {
  return refs
    .filter((line) => line.includes(`acme/${name}.git`) && line.includes("refs/heads/"))
    .map((line) => line.split("refs/heads/")[1] ?? "");
}

test("fault 16: the same idempotency key 50 times at once: one session", async () => {
  await git.createRepository("acme", "app");
  const input = {
    parentSession: "keys",
    repository: { owner: "acme", name: "app" },
    task: "echo once",
    idempotencyKey: "k1",
  };
  const answers = await Promise.all(Array.from({ length: 50 }, () => dispatch(server, input)));
  expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
  expect(answers.filter(({ created }) => created)).toHaveLength(1);
  await untilEnded(server, answers[0]!.id);
  const again = await dispatch(server, input);
  expect(again).toMatchObject({ id: answers[0]!.id, created: false, status: "SUCCEEDED" });
  const { parentSession } = await server.query<{ parentSession: unknown }>(
    `{ parentSession(name: "keys") { workerCounts { total } lastSequence } }`,
  );
  expect(parentSession).toEqual({ workerCounts: { total: 1 }, lastSequence: 4 });
});

test("fault 17: 50 worktrees of one repository at once: 50 are there, no orphan branch", async () => {
  const name = { owner: "acme", name: "fifty" };
  const { headCommit } = await cloned(server, git, name);
  const looks = git.requestCount(/^\/acme\/fifty\.git\/info/);
  const branches = Array.from({ length: 50 }, (_, index) => `w/${String(index).padStart(2, "0")}`);
  const results = await Promise.all(
    branches.map((branch) => createWorktree(server, { ...name, branch })),
  );
  expect(results.every(({ created }) => created)).toBe(true);
  expect(results.map(({ worktree }) => worktree.branch)).toEqual(branches);
  for (const { worktree } of results) {
    expect(worktree).toMatchObject({ status: "READY", baseCommit: headCommit, failureCode: null });
  }
  // Those that ask at the same time share a fetch.
  expect(git.requestCount(/^\/acme\/fifty\.git\/info/) - looks).toBeLessThan(25);

  const { refs } = await takeInventory(server);
  expect(branchesOf(refs, "fifty")).toEqual(branches);
  const paths = results.map(({ worktree }) => worktree.path);
  for (const path of paths) {
    expect(await runGit(path, "status", "--porcelain")).toBe("");
  }
  expect(await readRepository(server, name)).toMatchObject({ worktreesLastSequence: 100 });

  // And all go at once.
  const answers = await Promise.all(
    branches.map((branch) => sendDeleteWorktree(server, { ...name, branch, deleteBranch: true })),
  );
  expect(answers.filter(({ errors }) => errors !== undefined)).toEqual([]);
  const after = await takeInventory(server);
  expect(branchesOf(after.refs, "fifty")).toEqual([]);
  expect(after.files.filter((path) => path.startsWith("worktrees/acme/fifty/"))).toEqual([]);
});

test("fault 17: 20 dispatches to a repository that is not cloned yet: one clone", async () => {
  await git.createRepository("acme", "shared");
  // What one clone asks for.
  await cloned(server, git, { owner: "acme", name: "single" });
  const asked = git.requestCount(/\/single\.git\//);
  expect(asked).toBeGreaterThan(1);

  const clone = git.hold(/\/shared\.git\/info\/refs/);
  const workers = await Promise.all(
    Array.from({ length: 20 }, () =>
      dispatch(server, {
        parentSession: "twenty",
        repository: { owner: "acme", name: "shared" },
        task: "git rev-parse HEAD",
      }),
    ),
  );
  await clone.arrived;
  clone.release();
  const ended = await Promise.all(workers.map(({ id }) => untilEnded(server, id)));
  expect(ended.map(({ status }) => status)).toEqual(Array(20).fill("SUCCEEDED"));
  expect(new Set(ended.map(({ stdout }) => stdout)).size).toBe(1);
  expect(new Set(ended.map(({ worktree }) => worktree?.path)).size).toBe(20);
  expect(git.requestCount(/\/shared\.git\//)).toBe(asked);
  const { repository } = await server.query<{ repository: unknown }>(
    `{ repository(owner: "acme", name: "shared") { status worktrees { totalCount } } }`,
  );
  expect(repository).toEqual({ status: "SYNCED", worktrees: { totalCount: 20 } });
});
