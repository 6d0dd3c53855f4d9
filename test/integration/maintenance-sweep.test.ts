// Housekeeping after kills, outages and people's hands: what is out of order is put right, and no work goes.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { queryDatabase, takeInventory } from "../support/inventory.ts";
import { endSchedules, maintenanceMutation, runMaintenance } from "../support/maintenance.ts";
import {
  cloned,
  codeOf,
  createWorktree,
  deleteWorktree,
  faultOf,
  followWorktrees,
  readRepository,
  readWorktree,
  sendCreateWorktree,
  sendDeleteWorktree,
  sync,
} from "../support/repositories.ts";
import { commitAll, runGit } from "../support/worktree-git.ts";
import {
  createGate,
  dispatch,
  eventually,
  isAlive,
  readWorker,
  untilEnded,
  untilPrinted,
} from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;

beforeAll(async () => {
  git = await startGitServer();
  server = await startFactory({ git });
  await endSchedules(server);
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
});

const sweep = () => runMaintenance(server, "SWEEP");

/** Lines about this alone: other tests may have left something that is told each time. */
async function sweepAbout(text: string): Promise<readonly string[]> {
  return (await sweep()).filter((line) => line.includes(text));
}

interface Prey {
  readonly repository: { readonly owner: string; readonly name: string };
  readonly topic: { readonly owner: string; readonly name: string; readonly branch: string };
  readonly path: string;
  /** The clone. */
  readonly bare: string;
  /** The worktree's own repository. */
  readonly own: string;
}

async function withWorktree(name: string, branch = "topic"): Promise<Prey> {
  const repository = { owner: "acme", name };
  await cloned(server, git, repository);
  const { worktree } = await createWorktree(server, { ...repository, branch });
  const bare = join(server.home, "repositories", git.host, "acme", `${name}.git`);
  const own = await runGit(worktree.path, "rev-parse", "--absolute-git-dir");
  return { repository, topic: { ...repository, branch }, path: worktree.path, bare, own };
}

/** As it is after a restore of an older database, say. */
async function forget({ path }: Prey): Promise<void> {
  await queryDatabase(server, `DELETE FROM "Worktree" WHERE path = $1`, [path]);
}

const longAgo = new Date(Date.now() - 3_600_000);

async function plant(path: string, age = longAgo): Promise<string> {
  await writeFile(path, "");
  await utimes(path, age, age);
  return path;
}

test("where all is in order nothing is done, and nothing changes", async () => {
  const { topic, path } = await withWorktree("in-order");
  await writeFile(join(path, "work.txt"), "not committed\n");
  const before = await takeInventory(server);
  expect(await sweep()).toEqual([]);
  expect(await takeInventory(server)).toEqual(before);
  expect(await readWorktree(server, topic)).toMatchObject({ status: "READY" });
});

test("a worker's token may not", async () => {
  await git.createRepository("acme", "forbidden");
  const body = JSON.stringify({ query: maintenanceMutation, variables: { task: "SWEEP" } });
  const { id } = await dispatch(server, {
    parentSession: "tokens",
    repository: { owner: "acme", name: "forbidden" },
    task: `curl -sS "$FACTORY_URL/graphql" -H "Authorization: Bearer $FACTORY_TOKEN" -H "content-type: application/json" --data '${body}'`,
  });
  const { stdout } = await untilEnded(server, id);
  expect(JSON.parse(stdout)).toMatchObject({
    data: { runMaintenance: null },
    errors: [{ extensions: { code: "FORBIDDEN" } }],
  });
});

describe("a worktree whose folder is gone", () => {
  test("is FAILED with what to do, followers hear it, and it can be made again with its commits", async () => {
    const { repository, topic, path } = await withWorktree("gone");
    const followed = followWorktrees(server, repository, 0);
    await writeFile(join(path, "work.txt"), "committed\n");
    const commit = await commitAll(path, "Work");
    await rm(path, { recursive: true });
    const lines = await sweepAbout("acme/gone");
    expect(lines).toEqual([expect.stringMatching(/^Marked the worktree of topic .* as FAILED/)]);
    expect(await readWorktree(server, topic)).toMatchObject({
      status: "FAILED",
      failureCode: "WORKTREE_NOT_FOUND",
      error: expect.stringContaining("create it again"),
    });
    await followed.until((all) =>
      all.some(({ worktreeChanged }) => worktreeChanged.status === "FAILED"),
    );
    followed.end();
    expect(await sweepAbout("acme/gone")).toEqual([]);

    const { worktree } = await createWorktree(server, topic);
    expect(worktree).toMatchObject({ status: "READY", path });
    expect(await runGit(path, "rev-parse", "HEAD")).toBe(commit);
  });

  test("isn't made again, or deleted without force, while its repository has work that is nowhere else", async () => {
    const { topic, path, own } = await withWorktree("gone-work");
    await runGit(path, "switch", "--quiet", "--detach");
    const commit = await commitAll(path, "On no branch");
    await rm(path, { recursive: true });
    await sweep();
    const created = await sendCreateWorktree(server, topic);
    expect(faultOf(created)).toMatchObject({
      message: expect.stringContaining(commit.slice(0, 7)),
      extensions: { code: "WORKTREE_IN_USE" },
    });
    expect(codeOf(await sendDeleteWorktree(server, topic))).toBe("WORKTREE_DIRTY");
    await runGit(own, "push", "--quiet", "origin", `${commit}:refs/heads/rescued`);
    await sync(server, topic);
    expect((await createWorktree(server, topic)).worktree.status).toBe("READY");
  });

  test("can be deleted", async () => {
    const { topic, path } = await withWorktree("gone-deleted");
    await rm(path, { recursive: true });
    await sweep();
    await deleteWorktree(server, topic);
    expect(await readWorktree(server, topic)).toBeNull();
  });

  test("and which a session occupies is left to that session", async () => {
    const { repository, topic, path } = await withWorktree("gone-busy", "busy");
    const gate = await createGate();
    const { id } = await dispatch(server, {
      parentSession: "busy",
      repository,
      branch: "busy",
      task: `echo up; ${gate.wait}`,
    });
    await untilPrinted(server, id, "up");
    await rm(path, { recursive: true });
    expect(await sweepAbout("acme/gone-busy")).toEqual([]);
    expect(await readWorktree(server, topic)).toMatchObject({ status: "RUNNING" });
    await gate.open();
    expect((await untilEnded(server, id)).status).toBe("SUCCEEDED");
    expect(await sweepAbout("acme/gone-busy")).toHaveLength(1);
  });
});

test("a worktree whose folder is gone, and in which a session is about to start, is left to that session", async () => {
  const { repository, topic, path } = await withWorktree("gone-soon", "soon");
  const held = git.hold(/\/gone-soon\.git\//);
  const { id } = await dispatch(server, {
    parentSession: "soon",
    repository,
    branch: "soon",
    task: "true",
  });
  await held.arrived;
  await rm(path, { recursive: true });
  expect(await sweepAbout("acme/gone-soon")).toEqual([]);
  expect(await readWorktree(server, topic)).toMatchObject({ status: "READY" });
  held.release();
  // Which gets it back from its branch.
  expect((await untilEnded(server, id)).status).toBe("SUCCEEDED");
  expect(await sweepAbout("acme/gone-soon")).toEqual([]);
});

describe("a worktree that git doesn't know any more", () => {
  test("is FAILED, and its files stay", async () => {
    const { topic, path, own } = await withWorktree("unknown");
    await writeFile(join(path, "work.txt"), "not committed\n");
    await rm(own, { recursive: true });
    expect(await sweepAbout("acme/unknown")).toHaveLength(1);
    expect(await readWorktree(server, topic)).toMatchObject({ status: "FAILED" });
    expect(await readFile(join(path, "work.txt"), "utf8")).toBe("not committed\n");
  });
});

test.each(["CREATING", "REMOVING"])(
  "a worktree that was left %s is FAILED, as nobody works on it",
  async (status) => {
    const { topic, path } = await withWorktree(`left-${status.toLowerCase()}`);
    await queryDatabase(
      server,
      `UPDATE "Worktree" SET status = $1::"WorktreeStatus" WHERE path = $2`,
      [status, path],
    );
    expect(await sweepAbout(topic.name)).toEqual([expect.stringContaining(status)]);
    expect(await readWorktree(server, topic)).toMatchObject({ status: "FAILED" });
    expect(existsSync(path)).toBe(true);
  },
);

test("a worktree that is being made is left alone", async () => {
  const repository = { owner: "acme", name: "making" };
  await cloned(server, git, repository);
  // The checkout waits here.
  const gate = await createGate();
  const { id } = await dispatch(server, {
    parentSession: "making",
    repository,
    task: `echo up; ${gate.wait}`,
  });
  const made = Promise.all(
    Array.from({ length: 6 }, (_, index) =>
      createWorktree(server, { ...repository, branch: `many/${String(index)}` }),
    ),
  );
  const swept: string[] = [];
  const done = new AbortController();
  void made.finally(() => {
    done.abort();
  });
  while (!done.signal.aborted) swept.push(...(await sweepAbout("making")));
  await made;
  expect(swept).toEqual([]);
  await gate.open();
  expect((await untilEnded(server, id)).status).toBe("SUCCEEDED");
  expect(await sweepAbout("making")).toEqual([]);
});

describe("a worktree's folder without a row", () => {
  test("goes where nothing is in it that isn't on the remote, and its branch stays", async () => {
    const prey = await withWorktree("clean");
    const tip = await runGit(prey.path, "rev-parse", "HEAD");
    await forget(prey);
    expect(await sweepAbout(prey.path)).toEqual([expect.stringMatching(/^Removed /)]);
    expect(existsSync(prey.path)).toBe(false);
    expect(await runGit(prey.bare, "rev-parse", "topic")).toBe(tip);
    expect(existsSync(prey.own)).toBe(false);
  });

  test("stays with uncommitted work, and is told each time", async () => {
    const prey = await withWorktree("dirty");
    await writeFile(join(prey.path, "work.txt"), "not committed\n");
    await forget(prey);
    for (let count = 0; count < 2; count += 1) {
      expect(await sweepAbout(prey.path)).toEqual([
        expect.stringMatching(/^Left .*1 changed or untracked file \(work\.txt\)/),
      ]);
    }
    expect(await readFile(join(prey.path, "work.txt"), "utf8")).toBe("not committed\n");
    expect(await runGit(prey.path, "status", "--porcelain")).toBe("?? work.txt");
  });

  test("stays with commits that are nowhere on the remote", async () => {
    const prey = await withWorktree("unpushed");
    const commit = await commitAll(prey.path, "Work");
    await forget(prey);
    expect(await sweepAbout(prey.path)).toEqual([
      expect.stringMatching(/^Left .*1 commit that is/),
    ]);
    expect(await runGit(prey.path, "rev-parse", "HEAD")).toBe(commit);
  });

  test("that git doesn't know stays, and so does one that never was a worktree", async () => {
    const prey = await withWorktree("strange", "feat/x");
    await forget(prey);
    await rename(join(prey.path, ".git"), join(prey.path, "git"));
    const other = join(prey.path, "..", "notes");
    await mkdir(other);
    await writeFile(join(other, "todo.txt"), "think\n");
    const lines = await sweepAbout("acme/strange");
    expect(lines.toSorted()).toEqual([
      expect.stringMatching(/^Left .*strange\/feat\/notes: /),
      expect.stringMatching(/^Left .*strange\/feat\/x: /),
    ]);
    expect(await readFile(join(other, "todo.txt"), "utf8")).toBe("think\n");
    expect(existsSync(join(prey.path, "git"))).toBe(true);
  });
});

describe("the repository of a worktree without folder and row", () => {
  test("goes, with its commits in the clone", async () => {
    const prey = await withWorktree("left-own");
    const commit = await commitAll(prey.path, "Work");
    await forget(prey);
    await rm(prey.path, { recursive: true });
    expect(await sweepAbout("acme/left-own")).toEqual([
      expect.stringMatching(/^Removed the repository of the worktree/),
    ]);
    expect(existsSync(prey.own)).toBe(false);
    expect(await runGit(prey.bare, "rev-parse", "topic")).toBe(commit);
  });

  test.each([
    ["a commit on a side branch", ["commit", "--quiet", "--allow-empty", "-m", "Aside"], "Aside"],
    ["staged changes", ["rm", "--quiet", "--cached", "README.md"], "1 staged file"],
    ["a stash", ["stash", "--quiet"], "1 stash entry"],
  ])("stays with %s, which is told", async (what, command, told) => {
    const prey = await withWorktree(`left-${what.replaceAll(/\W/g, "-")}`);
    await runGit(prey.path, "switch", "--quiet", "--create", "side");
    await writeFile(join(prey.path, "README.md"), "changed\n");
    await runGit(prey.path, ...command);
    await forget(prey);
    await rm(prey.path, { recursive: true });
    expect(await sweepAbout(`acme/${prey.topic.name}`)).toEqual([
      expect.stringMatching(new RegExp(`^Left the repository of .*${told}`)),
    ]);
    expect(existsSync(prey.own)).toBe(true);
  });
});

describe("lock files", () => {
  test("that are old and nobody's go, wherever git makes them; a young one stays", async () => {
    const { path, bare, own } = await withWorktree("locks");
    const names = ["packed-refs.lock", "config.lock", "refs/heads/topic.lock"];
    const old = await Promise.all(
      [bare, own].flatMap((folder) =>
        [...names, "index.lock", "objects/pack/tmp_pack_abc"].map((name) =>
          plant(join(folder, name)),
        ),
      ),
    );
    const young = await plant(join(own, "shallow.lock"), new Date());
    const lines = await sweepAbout("acme/locks.");
    expect(lines).toHaveLength(old.length);
    expect(old.filter((file) => existsSync(file))).toEqual([]);
    expect(existsSync(young)).toBe(true);
    expect(await commitAll(path, "Goes on")).toMatch(/^[0-9a-f]{40}$/);
  });

  test("that a git holds stays, however old, also where that git has closed it", async () => {
    const { path, own } = await withWorktree("held");
    const gate = await createGate();
    await writeFile(join(path, "README.md"), "work\n");
    // While its editor is open, `git commit -a` holds the index's lock, and has closed the file.
    const commit = spawn("git", ["commit", "--quiet", "-a"], {
      cwd: path,
      env: {
        PATH: process.env["PATH"] ?? "",
        GIT_EDITOR: `${gate.wait}; echo Work >`,
        GIT_AUTHOR_NAME: "Ada",
        GIT_AUTHOR_EMAIL: "ada@example.org",
        GIT_COMMITTER_NAME: "Ada",
        GIT_COMMITTER_EMAIL: "ada@example.org",
      },
      stdio: "ignore",
    });
    const ended = new Promise((resolve) => commit.once("exit", resolve));
    const lock = join(own, "index.lock");
    await eventually(() => existsSync(lock));
    await utimes(lock, longAgo, longAgo);
    expect(await sweepAbout("acme/held.")).toEqual([]);
    expect(existsSync(lock)).toBe(true);
    await gate.open();
    expect(await ended).toBe(0);
    expect(await runGit(path, "log", "-1", "--format=%s")).toBe("Work");
  });
});

test("half clones and trash go; whole repositories stay", async () => {
  const { bare } = await withWorktree("whole");
  const half = `${join(bare, "..", "half.git")}.cloning-${randomUUID()}`;
  await mkdir(join(half, "objects"), { recursive: true });
  await mkdir(join(server.home, "trash", "left", "over"), { recursive: true });
  const lines = await sweep();
  expect(lines.filter((line) => line.includes("half.git"))).toHaveLength(1);
  expect(lines.filter((line) => line.includes("trash/left"))).toHaveLength(1);
  expect(existsSync(half)).toBe(false);
  expect(existsSync(join(server.home, "trash", "left"))).toBe(false);
  expect(existsSync(bare)).toBe(true);
});

test("a clone that no repository has stays, and is told", async () => {
  const repository = { owner: "acme", name: "forgotten" };
  await cloned(server, git, repository);
  await queryDatabase(server, `DELETE FROM "Repository" WHERE name = 'forgotten'`);
  const bare = join(server.home, "repositories", git.host, "acme", "forgotten.git");
  expect(await sweepAbout("forgotten.git")).toEqual([
    expect.stringMatching(/^Left .*clone it again/),
  ]);
  expect(existsSync(bare)).toBe(true);
  await cloned(server, git, repository);
  expect(await sweepAbout("forgotten")).toEqual([]);
});

test("a clone that is under way is left alone", async () => {
  await git.createRepository("acme", "slow");
  const held = git.hold(/\/slow\.git\//);
  const { id } = await dispatch(server, {
    parentSession: "slow",
    repository: { owner: "acme", name: "slow" },
    task: "echo done",
  });
  await held.arrived;
  expect(await sweepAbout("slow")).toEqual([]);
  held.release();
  expect(await untilEnded(server, id)).toMatchObject({ status: "SUCCEEDED", stdout: "done\n" });
});

test("a repository that was left SYNCING is FAILED, and can be synced", async () => {
  const { repository } = await withWorktree("syncing");
  await queryDatabase(server, `UPDATE "Repository" SET status = 'SYNCING' WHERE name = 'syncing'`);
  expect(await sweepAbout("acme/syncing")).toEqual([expect.stringMatching(/^Marked /)]);
  expect(await readRepository(server, repository)).toMatchObject({
    status: "FAILED",
    failureCode: "SERVICE_UNAVAILABLE",
  });
  expect((await sync(server, repository)).repository.status).toBe("SYNCED");
});

describe("a session's folder", () => {
  /** What a killed server's attempt leaves: a folder, and a process that carries its nonce. */
  async function plantAttempt(nonce: string, script = "exec sleep 600"): Promise<number> {
    await mkdir(join(server.home, "sessions", nonce, "tmp"), { recursive: true });
    const child = spawn("bash", ["-c", script], {
      env: { PATH: process.env["PATH"] ?? "", FACTORY_SESSION_NONCE: nonce },
      detached: true,
      stdio: "ignore",
    });
    child.unref();
    return child.pid!;
  }

  test("of an attempt that is over goes, with what still runs of it", async () => {
    const { repository } = await withWorktree("attempts");
    const { id, name } = await dispatch(server, {
      parentSession: "attempts",
      repository,
      task: "true",
    });
    await untilEnded(server, id);
    const [row] = await queryDatabase<{ id: string }>(
      server,
      `SELECT id FROM "WorkerSession" WHERE number = $1`,
      [Number(name.slice("worker-".length))],
    );
    const nonce = `${row!.id}-1`;
    const pid = await plantAttempt(nonce);
    expect(await sweepAbout(name)).toEqual([
      `Ended 1 process of attempt 1 of ${name}, which isn't under way here any more, and removed its folder.`,
    ]);
    expect(await isAlive(pid)).toBe(false);
    expect(existsSync(join(server.home, "sessions", nonce))).toBe(false);
  });

  test("of an earlier attempt goes, and the one that is under way is left alone", async () => {
    const { repository } = await withWorktree("earlier");
    const gate = await createGate();
    const { id, name } = await dispatch(server, {
      parentSession: "earlier",
      repository,
      task: `echo up; ${gate.wait}; echo down`,
    });
    await untilPrinted(server, id, "up");
    const [folder] = (await readdir(join(server.home, "sessions"))).filter((entry) =>
      entry.endsWith("-1"),
    );
    const earlier = folder!.replace(/-1$/, "-7");
    const pid = await plantAttempt(earlier);
    // While this server works on the session, it clears up behind its attempts itself.
    expect(await sweepAbout(name)).toEqual([]);
    expect(await isAlive(pid)).toBe(true);
    await gate.open();
    expect(await untilEnded(server, id)).toMatchObject({
      status: "SUCCEEDED",
      stdout: "up\ndown\n",
    });
    await eventually(() => !existsSync(join(server.home, "sessions", folder!)));
    expect(await sweepAbout(name)).toEqual([
      expect.stringMatching(/^Ended 1 process of attempt 7/),
    ]);
    expect(await isAlive(pid)).toBe(false);
    expect((await readWorker(server, id)).status).toBe("SUCCEEDED");
  });

  test("whose processes take their time doesn't keep the server from stopping, and is done with later", async () => {
    const { repository } = await withWorktree("stubborn");
    const { id, name } = await dispatch(server, {
      parentSession: "stubborn",
      repository,
      task: "true",
    });
    await untilEnded(server, id);
    const [row] = await queryDatabase<{ id: string }>(
      server,
      `SELECT id FROM "WorkerSession" WHERE number = $1`,
      [Number(name.slice("worker-".length))],
    );
    await server.terminate();
    server = await server.restart({ FACTORY_KILL_GRACE: "60" });
    await endSchedules(server);
    const told = join(server.home, "told");
    const pid = await plantAttempt(
      `${row!.id}-1`,
      `trap 'touch ${told}' TERM; while :; do sleep 0.1; done`,
    );
    const answer = server.codes(maintenanceMutation, { task: "SWEEP" });
    await eventually(() => existsSync(told));
    expect(await server.terminate()).toBe(0);
    expect(await answer).toEqual(["SERVICE_UNAVAILABLE"]);
    expect(await isAlive(pid)).toBe(true);
    server = await server.restart({ FACTORY_KILL_GRACE: "2" });
    await endSchedules(server);
    await sweep();
    expect(await isAlive(pid)).toBe(false);
    expect(existsSync(join(server.home, "sessions", `${row!.id}-1`))).toBe(false);
  });

  test("of a session that isn't in this database stays, with its processes", async () => {
    const nonce = `${randomUUID()}-1`;
    const pid = await plantAttempt(nonce);
    expect(await sweepAbout(nonce)).toEqual([expect.stringMatching(/^Left .*another database/)]);
    expect(await isAlive(pid)).toBe(true);
    process.kill(pid, "SIGKILL");
    await rm(join(server.home, "sessions", nonce), { recursive: true });
  });
});

test("it runs by itself soon after a start, once for the start, and on a schedule that restarts don't double", async () => {
  const { path, bare } = await withWorktree("scheduled");
  await rm(path, { recursive: true });
  const trash = join(server.home, "trash", "left");
  await mkdir(trash, { recursive: true });
  expect(existsSync(bare)).toBe(true);
  expect(await server.terminate()).toBe(0);
  server = await server.restart();
  const schedules = () =>
    queryDatabase<{ name: string; cron: string }>(
      server,
      `SELECT name, cron FROM pgboss.schedule ORDER BY name`,
    );
  const before = await schedules();
  expect(before.map(({ name }) => name.replace(/[0-9a-f-]{36}/, "ID"))).toEqual([
    "maintenance/GIT_MAINTENANCE/ID",
    "maintenance/RETENTION",
    "maintenance/SWEEP/ID",
  ]);
  const repository = { owner: "acme", name: "scheduled" };
  const followed = followWorktrees(server, repository, 0);
  await followed.until((all) =>
    all.some(({ worktreeChanged }) => worktreeChanged.status === "FAILED"),
  );
  followed.end();
  await server.terminate();
  server = await server.restart({ FACTORY_DISK_BUDGET: "1T" });
  expect((await schedules()).map(({ name }) => name.replace(/[0-9a-f-]{36}/, "ID"))).toEqual([
    "maintenance/DISK_BUDGET/ID",
    "maintenance/GIT_MAINTENANCE/ID",
    "maintenance/RETENTION",
    "maintenance/SWEEP/ID",
  ]);
  await server.terminate();
  server = await server.restart({ FACTORY_DISK_BUDGET: "" });
  expect(await schedules()).toEqual(before);
});
