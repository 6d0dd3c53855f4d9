// The server is killed in the middle of git's work, or finds git's lock files.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { createGitWrapper, type GitWrapper } from "../support/git-wrapper.ts";
import { takeInventory } from "../support/inventory.ts";
import {
  clone,
  cloned,
  codeOf,
  createWorktree,
  inspectWorktree,
  readRepository,
  readWorktree,
  sendCreateWorktree,
  sendDeleteWorktree,
  sendSync,
  sync,
  untilRepository,
} from "../support/repositories.ts";
import { eventually } from "../support/workers.ts";
import { runGit } from "../support/worktree-git.ts";

let git: GitServer;
let wrapper: GitWrapper;
/** The one that runs now. */
let server: FactoryServer;

beforeAll(async () => {
  git = await startGitServer();
  wrapper = await createGitWrapper();
  server = await startFactory({ git, env: { PATH: wrapper.path } });
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
  await wrapper.dispose();
});

const bareOf = (name: string) => join(server.home, "repositories", git.host, "acme", `${name}.git`);

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

test("fault 18: SIGKILL during a clone: the next start goes on, and nothing is half there", async () => {
  const name = { owner: "acme", name: "clone" };
  const head = await git.createRepository("acme", "clone");
  const held = git.hold(/^\/acme\/clone\.git\//);
  await clone(server, name);
  await held.arrived;
  const leftovers = async () => {
    const folders = await readdir(join(server.home, "repositories", git.host, "acme"));
    return folders.filter((folder) => folder.includes(".cloning-"));
  };
  expect(await leftovers()).toHaveLength(1);
  expect(await isThere(bareOf("clone"))).toBe(false);
  await server.kill();
  const asked = git.requestCount(/^\/acme\/clone\.git\//);
  server = await server.restart();
  expect(await readRepository(server, name)).toMatchObject({ status: "CLONING" });
  await eventually(() => git.requestCount(/^\/acme\/clone\.git\//) > asked);
  held.release();
  const after = await untilRepository(server, name, "SYNCED");
  expect(after).toMatchObject({ defaultBranch: "main", headCommit: head, failureCode: null });
  expect(await leftovers()).toEqual([]);
  expect((await createWorktree(server, { ...name, branch: "topic" })).created).toBe(true);
});

test("fault 18: SIGKILL during a fetch: the server says so, and the next one succeeds", async () => {
  const name = { owner: "acme", name: "fetch" };
  const { headCommit } = await cloned(server, git, name);
  const pushed = await git.pushCommit("acme", "fetch", "main", { "x.txt": "x\n" });
  const held = git.hold(/^\/acme\/fetch\.git\/git-upload-pack/);
  const syncing = sendSync(server, name).catch(() => undefined);
  await held.arrived;
  expect(await readRepository(server, name)).toMatchObject({ status: "SYNCING" });
  await server.kill();
  await syncing;
  held.release();
  server = await server.restart();
  const found = await readRepository(server, name);
  expect(found).toMatchObject({
    status: "FAILED",
    failureCode: "SERVICE_UNAVAILABLE",
    headCommit,
  });
  expect(found?.error).toContain("sync again");
  const { repository } = await sync(server, name);
  expect(repository).toMatchObject({ status: "SYNCED", failureCode: null, headCommit: pushed });
});

/** At which command of git, and what of it is done when the server dies. */
const moments = [
  ["before git has begun", "reset", "kill -9 $PPID; exit 1"],
  // git lives on: it is a process of its own.
  ["while git goes on with it", "reset", 'kill -9 $PPID; real "$@"'],
  ["in the checkout", "reset", 'touch "$GIT_DIR/index.lock" half; kill -9 $PPID; exit 1'],
] as const;

test("fault 18: SIGKILL while a worktree is made: the next try succeeds, leftovers are gone", async () => {
  const name = { owner: "acme", name: "worktree" };
  const { headCommit } = await cloned(server, git, name);
  for (const [index, [, command, script]] of moments.entries()) {
    const topic = { ...name, branch: `topic/${String(index)}` };
    await wrapper.set(command, script, { once: true });
    const ended = once(server.process, "exit");
    await sendCreateWorktree(server, topic).catch(() => undefined);
    await ended;
    await server.kill();
    server = await server.restart();
    expect(await readWorktree(server, topic)).toMatchObject({
      status: "FAILED",
      failureCode: "SERVICE_UNAVAILABLE",
    });
    // Cleared away by the start already, before anybody tries again.
    const { files, refs } = await takeInventory(server);
    const left = new RegExp(`^trash/|\\.worktrees/topic-${String(index)}-`);
    expect(files.filter((path) => left.test(path))).toEqual([]);
    expect(await isThere(join(server.home, "worktrees/acme/worktree", topic.branch))).toBe(false);
    expect(refs.filter((line) => line.includes(`refs/heads/${topic.branch}`))).toEqual([]);

    const { created, worktree } = await createWorktree(server, topic);
    expect(created).toBe(true);
    expect(worktree).toMatchObject({ status: "READY", baseCommit: headCommit, error: null });
    expect(await runGit(worktree.path, "status", "--porcelain")).toBe("");
  }
});

const longAgo = () => new Date(Date.now() - 120_000);

test("fault 19: a fresh packed-refs.lock is waited for", async () => {
  const topic = { owner: "acme", name: "locked", branch: "topic" };
  await cloned(server, git, topic);
  await createWorktree(server, topic);
  const lock = join(bareOf("locked"), "packed-refs.lock");
  await writeFile(lock, "");
  await wrapper.set(
    "update-ref",
    'real "$@" & sleep 0.5; kill -0 $! && echo waiting >>"$LOG"; wait $!; exit $?',
    { once: true },
  );
  const removal = sendDeleteWorktree(server, { ...topic, deleteBranch: true });
  await eventually(async () => (await wrapper.readLog()).includes("waiting"));
  expect(await isThere(lock)).toBe(true);
  // Whoever held it gives it back.
  await rm(lock);
  expect((await removal).errors).toBeUndefined();
});

test("fault 19: a packed-refs.lock that is fresh or in use is never deleted, a stale one without an owner goes", async () => {
  const fresh = { owner: "acme", name: "fresh", branch: "topic", deleteBranch: true };
  const used = { ...fresh, name: "used" };
  for (const topic of [fresh, used]) {
    const { owner, name, branch } = topic;
    await cloned(server, git, topic);
    await createWorktree(server, { owner, name, branch });
    await writeFile(join(bareOf(name), "packed-refs.lock"), "");
  }
  const [freshLock, usedLock] = [fresh, used].map(({ name }) =>
    join(bareOf(name), "packed-refs.lock"),
  ) as [string, string];
  // Old, but open in a process: its owner is just slow.
  const owner = spawn("sh", ["-c", `exec 9>>'${usedLock}'; echo held; read -r _`], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  await once(owner.stdout, "data");
  await utimes(usedLock, longAgo(), longAgo());
  const refused = await Promise.all(
    [fresh, used].map((topic) => sendDeleteWorktree(server, topic)),
  );
  expect(refused.map(codeOf)).toEqual(["REPOSITORY_IN_USE", "REPOSITORY_IN_USE"]);
  expect(await Promise.all([freshLock, usedLock].map(isThere))).toEqual([true, true]);

  const ended = once(owner, "exit");
  owner.stdin.end("\n");
  await ended;
  await utimes(freshLock, longAgo(), longAgo());
  const answers = await Promise.all(
    [fresh, used].map((topic) => sendDeleteWorktree(server, topic)),
  );
  expect(answers.filter(({ errors }) => errors !== undefined)).toEqual([]);
  expect(await Promise.all([freshLock, usedLock].map(isThere))).toEqual([false, false]);
});

test("fault 19: a fetch outwaits the lock that a killed one left on a branch, rather than fail", async () => {
  const name = { owner: "acme", name: "left" };
  await cloned(server, git, name);
  const pushed = await git.pushCommit("acme", "left", "main", { "x.txt": "x\n" });
  const lock = join(bareOf("left"), "refs/remotes/origin/main.lock");
  await writeFile(lock, "");
  await wrapper.set("fetch", 'real "$@" && exit 0; echo refused >>"$LOG"; exit 1', { once: true });
  const syncing = sync(server, name);
  await eventually(async () => (await wrapper.readLog()).includes("refused"));
  expect(await isThere(lock)).toBe(true);
  await utimes(lock, longAgo(), longAgo());
  const { repository } = await syncing;
  expect(repository).toMatchObject({ status: "SYNCED", failureCode: null, headCommit: pushed });
  expect(await isThere(lock)).toBe(false);
});

test("fault 19: a worktree is made again behind the lock that a killed git left on its branch", async () => {
  const topic = { owner: "acme", name: "again", branch: "topic" };
  await cloned(server, git, topic);
  await wrapper.set("reset", "kill -9 $PPID; exit 1", { once: true });
  const ended = once(server.process, "exit");
  await sendCreateWorktree(server, topic).catch(() => undefined);
  await ended;
  await server.kill();
  const lock = join(bareOf("again"), "refs/heads/topic.lock");
  await writeFile(lock, "");
  // The start leaves it for later, rather than wait.
  server = await server.restart();
  expect(await isThere(lock)).toBe(true);
  await wrapper.set("update-ref", 'real "$@" && exit 0; echo deferred >>"$LOG"; exit 1', {
    once: true,
  });
  const creating = createWorktree(server, topic);
  await eventually(async () => (await wrapper.readLog()).includes("deferred"));
  expect(await isThere(lock)).toBe(true);
  await utimes(lock, longAgo(), longAgo());
  expect((await creating).worktree).toMatchObject({ status: "READY", error: null });
  expect(await isThere(lock)).toBe(false);
});

test("fault 19: a fresh index.lock stays, a stale one without an owner goes with the next sweep", async () => {
  const topic = { owner: "acme", name: "index", branch: "topic" };
  await cloned(server, git, topic);
  const { worktree } = await createWorktree(server, topic);
  await writeFile(join(worktree.path, "new.txt"), "new\n");
  const lock = await runGit(worktree.path, "rev-parse", "--git-path", "index.lock");
  const sweep = () =>
    server.query("mutation { runMaintenance(input: { task: SWEEP }) { actions } }");
  await writeFile(lock, "");
  await sweep();
  expect(await inspectWorktree(server, topic)).toMatchObject({ changedFiles: 1 });
  expect(await isThere(lock)).toBe(true);
  await utimes(lock, longAgo(), longAgo());
  await sweep();
  expect(await isThere(lock)).toBe(false);
});
