// Deleting worktrees and repositories: never work that is nowhere else, unless by force.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type Files, type GitServer } from "../support/git-server.ts";
import { takeInventory } from "../support/inventory.ts";
import {
  clone,
  cloned,
  codeOf,
  createWorktree,
  deleteRepository,
  deleteWorktree,
  faultOf,
  followRepository,
  followWorktrees,
  readRepository,
  readWorktree,
  sendCreateWorktree,
  sendDeleteRepository,
  sendDeleteWorktree,
  sync,
  untilRepository,
  type Input,
} from "../support/repositories.ts";
import { commitAll, runGit } from "../support/worktree-git.ts";
import {
  cancel,
  createGate,
  dispatch,
  readWorker,
  untilEnded,
  untilPrinted,
} from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;

beforeAll(async () => {
  git = await startGitServer();
  server = await startFactory({ git });
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
});

/** A clone with a worktree for the branch topic. */
async function withWorktree(name: string, files: Files = { "README.md": "# test\n" }) {
  const repository = { owner: "acme", name };
  await cloned(server, git, repository, { files });
  const { worktree } = await createWorktree(server, { ...repository, branch: "topic" });
  return { repository, topic: { ...repository, branch: "topic" }, path: worktree.path };
}

async function refuseWorktree(input: Input) {
  const before = await takeInventory(server);
  const fault = faultOf(await sendDeleteWorktree(server, input));
  expect(await takeInventory(server)).toEqual(before);
  return fault;
}

async function refuseRepository(input: Input) {
  const before = await takeInventory(server);
  const fault = faultOf(await sendDeleteRepository(server, input));
  expect(await takeInventory(server)).toEqual(before);
  return fault;
}

async function localBranches(name: string): Promise<string[]> {
  const { refs } = await takeInventory(server);
  return refs
    .filter((line) => line.includes(`acme/${name}.git`) && line.includes("refs/heads/"))
    .map((line) => line.split("refs/heads/")[1] ?? "");
}

describe("deleteWorktree", () => {
  test("removes folder, row and repository, and keeps the branch unless told otherwise", async () => {
    const { repository, topic, path } = await withWorktree("clean");
    expect(await deleteWorktree(server, topic)).toEqual(topic);
    expect(await readWorktree(server, topic)).toBeNull();
    const { files } = await takeInventory(server);
    expect(files.filter((file) => file.includes("topic") && file.includes("clean"))).toEqual([
      expect.stringContaining("refs/heads/topic"),
    ]);
    await expect(runGit(path, "status")).rejects.toThrow();
    expect(await localBranches("clean")).toEqual(["topic"]);

    await createWorktree(server, topic);
    await deleteWorktree(server, { ...repository, branch: "topic", deleteBranch: true });
    expect(await localBranches("clean")).toEqual([]);
    // The same name can be used for a branch that git couldn't hold beside it.
    expect((await createWorktree(server, { ...repository, branch: "topic/x" })).created).toBe(true);
  });

  test("refuses changed, staged, deleted and untracked files, and says how many and which", async () => {
    const files = { "README.md": "# test\n", "b.txt": "b\n", "c.txt": "c\n" };
    const { topic, path } = await withWorktree("dirty", files);
    const changes = [
      () => writeFile(join(path, "README.md"), "changed\n"),
      () => writeFile(join(path, "new \u001b[2J.txt"), "new\n"),
      () => rm(join(path, "b.txt")),
      async () => {
        await writeFile(join(path, "c.txt"), "staged\n");
        await runGit(path, "add", "c.txt");
      },
    ];
    for (const [index, change] of changes.entries()) {
      await change();
      const fault = await refuseWorktree(topic);
      expect(fault.extensions).toMatchObject({ code: "WORKTREE_DIRTY", changedFiles: index + 1 });
      const files = index === 0 ? "1 changed or untracked file" : `${String(index + 1)} changed`;
      expect(fault.message).toContain(files);
      expect(fault.message).toContain("README.md");
    }
    expect((await refuseWorktree(topic)).message).toContain(
      "4 changed or untracked files (README.md, b.txt, c.txt, new \uFFFD[2J.txt): commit",
    );
    expect((await refuseWorktree({ ...topic, deleteBranch: true })).extensions.code).toBe(
      "WORKTREE_DIRTY",
    );
    expect(await readWorktree(server, topic)).toMatchObject({ status: "READY" });
    await deleteWorktree(server, { ...topic, force: true });
    expect(await readWorktree(server, topic)).toBeNull();
  });

  test("refuses commits that are on no branch of the remote, and takes pushed ones", async () => {
    const { repository, topic, path } = await withWorktree("commits");
    const mine = await commitAll(path, "Mine");
    await commitAll(path, "Mine too");
    const fault = await refuseWorktree(topic);
    expect(fault.extensions).toMatchObject({ code: "WORKTREE_DIRTY", unpushedCommits: 2 });
    expect(fault.message).toMatch(
      /holds 2 commits that are on no branch of the remote \([0-9a-f]{7,} Mine too, [0-9a-f]{7,} Mine\): /,
    );

    // A detached HEAD doesn't hide what the branch holds, nor does the branch hide HEAD.
    await runGit(path, "checkout", "--quiet", "--detach", "origin/main");
    expect((await refuseWorktree(topic)).extensions.code).toBe("WORKTREE_DIRTY");
    await runGit(path, "checkout", "--quiet", "topic");

    await runGit(path, "push", "--quiet", git.url("acme", "commits"), "topic");
    const before = await readRepository(server, repository);
    // Known to be on the remote from the next fetch on.
    await server.query(
      `mutation { syncRepository(input: {owner: "acme", name: "commits"}) { updated } }`,
    );
    expect((await readRepository(server, repository))?.headCommit).toBe(before?.headCommit);
    await deleteWorktree(server, { ...topic, deleteBranch: true });
    const again = await createWorktree(server, topic);
    expect(await runGit(again.worktree.path, "rev-parse", "HEAD^")).toBe(mine);
  });

  test("counts a new folder by its files, and a submodule only where it holds work", async () => {
    const inner = await git.createRepository("acme", "inner");
    const { repository, topic, path } = await withWorktree("submodules");
    const submodule = (...command: string[]) =>
      runGit(path, "-c", "protocol.file.allow=always", "submodule", ...command);
    await submodule("add", "--quiet", git.url("acme", "inner"), "vendor/inner");
    await commitAll(path, "With a submodule");
    await runGit(path, "push", "--quiet", "origin", "topic");
    await sync(server, repository);
    await mkdir(join(path, "new/deep"), { recursive: true });
    for (const name of ["one", "deep/two"]) await writeFile(join(path, "new", name), "x\n");
    expect((await refuseWorktree(topic)).message).toContain(
      "2 changed or untracked files (new/deep/two, new/one)",
    );
    await rm(join(path, "new"), { recursive: true });
    const vendor = join(path, "vendor/inner");
    expect(await runGit(vendor, "rev-parse", "HEAD")).toBe(inner);
    await writeFile(join(vendor, "work.txt"), "x\n");
    expect((await refuseWorktree(topic)).message).toContain("(vendor/inner)");
    await runGit(vendor, "stash", "--quiet", "--include-untracked");
    expect((await refuseWorktree(topic)).message).toContain("(vendor/inner)");
    await runGit(vendor, "stash", "drop", "--quiet");
    await deleteWorktree(server, topic);
  });

  test("takes what a checkout wrote for nobody's work", async () => {
    const { repository, topic, path } = await withWorktree("line-ends", {
      "README.md": "# test\n",
      "dos.txt": "one\r\ntwo\r\n",
    });
    await writeFile(join(path, ".gitattributes"), "*.txt text eol=lf\n");
    await runGit(path, "add", ".gitattributes");
    await runGit(path, "commit", "--quiet", "-m", "Attributes");
    await runGit(path, "push", "--quiet", "origin", "topic");
    await sync(server, repository);
    await writeFile(join(path, "dos.txt"), "one\r\ntwo\r\n");
    expect(await runGit(path, "status", "--porcelain")).toBe("M dos.txt");
    await writeFile(join(path, "README.md"), "changed\r\n");
    expect((await refuseWorktree(topic)).message).toContain(
      "1 changed or untracked file (README.md)",
    );
    await runGit(path, "checkout", "--quiet", "README.md");
    await deleteWorktree(server, topic);
  });

  test("doesn't count ignored files, whose loss is their meaning", async () => {
    const { topic, path } = await withWorktree("ignored", {
      ".gitignore": "node_modules/\n*.log\n",
      "README.md": "# test\n",
    });
    await mkdir(join(path, "node_modules", "x"), { recursive: true });
    await writeFile(join(path, "node_modules", "x", "index.js"), "x\n");
    await writeFile(join(path, "debug.log"), "log\n");
    expect(await deleteWorktree(server, topic)).toEqual(topic);
    expect(await readWorktree(server, topic)).toBeNull();
  });

  test("with force takes commits with it only where the branch goes too", async () => {
    const { topic, path } = await withWorktree("force");
    const mine = await commitAll(path, "Mine");
    await deleteWorktree(server, { ...topic, force: true });
    const again = await createWorktree(server, topic);
    expect(again.worktree.baseCommit).toBe(mine);
    await deleteWorktree(server, { ...topic, force: true, deleteBranch: true });
    expect(await localBranches("force")).toEqual([]);
  });

  test("goes on where somebody removed the folder already", async () => {
    const { topic, path } = await withWorktree("vanished");
    const mine = await commitAll(path, "Mine");
    await rm(path, { recursive: true });
    // Its branch may hold work that is nowhere else.
    expect((await refuseWorktree({ ...topic, deleteBranch: true })).extensions.code).toBe(
      "WORKTREE_NOT_FOUND",
    );
    await deleteWorktree(server, topic);
    expect(await readWorktree(server, topic)).toBeNull();
    const again = await createWorktree(server, topic);
    expect(again.worktree.baseCommit).toBe(mine);
  });

  test("refuses while a session occupies it, with force or not", async () => {
    const { repository, topic } = await withWorktree("inuse");
    const gate = await createGate();
    const worker = await dispatch(server, {
      parentSession: "inuse",
      repository,
      branch: "topic",
      task: `echo here; ${gate.wait}`,
    });
    await untilPrinted(server, worker.name, "here");
    expect(await readWorktree(server, topic)).toMatchObject({ status: "RUNNING" });
    for (const force of [false, true]) {
      // What a worker does meanwhile isn't told apart from what a refused call would do; rows suffice.
      const fault = faultOf(
        await sendDeleteWorktree(server, { ...topic, force, deleteBranch: force }),
      );
      expect(fault.extensions.code).toBe("WORKTREE_IN_USE");
      expect(fault.message).toContain(worker.name);
    }
    expect(await readWorktree(server, topic)).toMatchObject({ status: "RUNNING" });
    await gate.open();
    expect(await untilEnded(server, worker.name)).toMatchObject({ status: "SUCCEEDED" });
    await gate.dispose();
    await deleteWorktree(server, topic);
    // The session outlives it.
    expect(await readWorker(server, worker.name)).toMatchObject({
      branch: "topic",
      worktree: null,
    });
  });

  test("refuses what isn't there", async () => {
    const { repository, topic } = await withWorktree("missing");
    const cases: [Input, string][] = [
      [{ ...repository, branch: "other" }, "WORKTREE_NOT_FOUND"],
      [{ ...repository, branch: "Topic" }, "WORKTREE_NOT_FOUND"],
      [{ ...repository, branch: "main", force: true, deleteBranch: true }, "WORKTREE_NOT_FOUND"],
      [{ ...topic, runner: "elsewhere" }, "WORKTREE_NOT_FOUND"],
      [{ ...topic, name: "nowhere" }, "REPOSITORY_NOT_FOUND"],
      [{ ...topic, branch: "../topic" }, "BAD_INPUT"],
    ];
    for (const [input, code] of cases) {
      expect((await refuseWorktree(input)).extensions.code).toBe(code);
    }
  });

  test("asked ten times at once deletes once", async () => {
    const { topic } = await withWorktree("tenfold");
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => sendDeleteWorktree(server, topic)),
    );
    const refused = answers.filter(({ errors }) => errors !== undefined);
    expect(refused).toHaveLength(9);
    expect(new Set(refused.map(codeOf))).toEqual(new Set(["WORKTREE_NOT_FOUND"]));
  });
});

describe("deleteRepository", () => {
  test("leaves nothing of a clone without worktrees", async () => {
    const repository = { owner: "acme", name: "plain" };
    await cloned(server, git, repository);
    expect(await deleteRepository(server, { owner: "Acme", name: "PLAIN" })).toEqual(repository);
    expect(await readRepository(server, repository)).toBeNull();
    const { files } = await takeInventory(server);
    expect(files.filter((file) => file.includes("plain"))).toEqual([]);
  });

  test("refuses while a branch has commits that are on no branch of the remote", async () => {
    const { repository, topic, path } = await withWorktree("branches");
    await commitAll(path, "Mine");
    await deleteWorktree(server, { ...topic, force: true });
    const fault = await refuseRepository(repository);
    expect(fault.extensions.code).toBe("REPOSITORY_IN_USE");
    expect(fault.message).toContain("1 local branch (topic) with commits");
    await deleteRepository(server, { ...repository, force: true });
    expect(await readRepository(server, repository)).toBeNull();
  });

  test("refuses while there is a worktree, unless forced; local branches go too", async () => {
    const { repository, topic, path } = await withWorktree("worktree");
    const fault = await refuseRepository(repository);
    expect(fault.extensions.code).toBe("REPOSITORY_IN_USE");
    expect(fault.message).toContain("topic");
    await writeFile(join(path, "work.txt"), "work\n");
    await createWorktree(server, { ...repository, branch: "second" });
    await deleteRepository(server, { ...repository, force: true });
    expect(await readWorktree(server, topic)).toBeNull();
    const { files } = await takeInventory(server);
    expect(files.filter((file) => file.includes("acme/worktree"))).toEqual([]);
  });

  test("refuses while a session has not ended, forced or not, queued ones too", async () => {
    const { repository } = await withWorktree("session");
    const gate = await createGate();
    const dispatched = { parentSession: "session", repository, branch: "topic" };
    const running = await dispatch(server, { ...dispatched, task: `echo here; ${gate.wait}` });
    await untilPrinted(server, running.name, "here");
    const queued = await dispatch(server, { ...dispatched, task: "true" });
    for (const force of [false, true]) {
      const fault = faultOf(await sendDeleteRepository(server, { ...repository, force }));
      expect(fault.extensions.code).toBe("REPOSITORY_IN_USE");
      expect(fault.message).toContain(running.name);
    }
    expect(await readRepository(server, repository)).toMatchObject({ status: "SYNCED" });
    await cancel(server, queued.name);
    await gate.open();
    const ended = await untilEnded(server, running.name);
    expect(ended.status).toBe("SUCCEEDED");
    await untilEnded(server, queued.name);
    await gate.dispose();
    await deleteRepository(server, { ...repository, force: true });

    // The session and its events stay; the repository's name stays with them.
    const kept = await server.query<{
      workerSession: { repository: null; repositoryName: string; events: unknown[] };
    }>(
      `query ($id: ID!) {
        workerSession(id: $id) { repository { id } repositoryName worktree { id } events { sequence } }
      }`,
      { id: running.name },
    );
    expect(kept.workerSession).toMatchObject({
      repository: null,
      worktree: null,
      repositoryName: "acme/session",
    });
    expect(kept.workerSession.events).toHaveLength(ended.events.length);
  });

  test("refuses what isn't there, or is being cloned or fetched", async () => {
    const repository = { owner: "acme", name: "busy" };
    expect((await refuseRepository(repository)).extensions.code).toBe("REPOSITORY_NOT_FOUND");
    await git.createRepository("acme", "busy");
    const held = git.hold(/^\/acme\/busy\.git\//);
    await clone(server, repository);
    await held.arrived;
    for (const force of [false, true]) {
      expect((await refuseRepository({ ...repository, force })).extensions.code).toBe(
        "REPOSITORY_NOT_READY",
      );
    }
    held.release();
    await untilRepository(server, repository, "SYNCED");

    const fetched = git.hold(/^\/acme\/busy\.git\//);
    const syncing = sync(server, repository);
    await fetched.arrived;
    expect((await refuseRepository({ ...repository, force: true })).extensions.code).toBe(
      "REPOSITORY_NOT_READY",
    );
    fetched.release();
    expect((await syncing).repository.status).toBe("SYNCED");
  });

  test("and cloned again goes on with its numbering", async () => {
    const { repository, topic } = await withWorktree("numbering");
    const before = await readRepository(server, repository);
    const changes = followRepository(server, repository, before?.lastSequence);
    const worktrees = followWorktrees(server, repository, 0);
    await worktrees.first(2);
    await deleteRepository(server, { ...repository, force: true });
    const { created, repository: again } = await clone(server, {
      owner: "Acme",
      name: "Numbering",
      url: git.url("acme", "numbering"),
    });
    expect(created).toBe(true);
    expect(again.id).not.toBe(before?.id);
    // REMOVING, gone, CLONING: those who listen to the old one hear of the new one.
    expect(again.lastSequence).toBe((before?.lastSequence ?? 0) + 3);
    await untilRepository(server, repository, "SYNCED", again.lastSequence);
    await createWorktree(server, topic);

    const heard = (await changes.until((all) => all.at(-1)?.repositoryChanged.status === "SYNCED"))
      .map(({ repositoryChanged }) => repositoryChanged)
      .filter(({ progress }) => progress === null || progress === 0);
    expect(heard.map(({ status }) => status)).toEqual(
      expect.arrayContaining(["REMOVING", "REMOVING", "CLONING", "SYNCED"]),
    );
    expect(heard[0]?.sequence).toBe((before?.lastSequence ?? 0) + 1);
    const heardOfWorktrees = (await worktrees.first(6)).map(
      ({ worktreeChanged }) => worktreeChanged,
    );
    expect(heardOfWorktrees.map(({ sequence, status }) => [sequence, status])).toEqual([
      [1, "CREATING"],
      [2, "READY"],
      [3, "REMOVING"],
      [4, "REMOVING"],
      [5, "CREATING"],
      [6, "READY"],
    ]);
    changes.end();
    worktrees.end();
  });

  test("asked five times at once deletes once", async () => {
    const { repository } = await withWorktree("fivefold");
    await createWorktree(server, { ...repository, branch: "second" });
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => sendDeleteRepository(server, { ...repository, force: true })),
    );
    const refused = answers.filter(({ errors }) => errors !== undefined);
    expect(answers.length - refused.length).toBe(1);
    expect(new Set(refused.map(codeOf))).toEqual(new Set(["REPOSITORY_NOT_FOUND"]));
    expect(await readRepository(server, repository)).toBeNull();
  });

  test("beside a worktree that is created at the same time, one of the two is refused", async () => {
    const names = Array.from({ length: 5 }, (_, index) => `beside-${String(index)}`);
    await Promise.all(names.map((name) => cloned(server, git, { owner: "acme", name })));
    for (const name of names) {
      const repository = { owner: "acme", name };
      const creating = sendCreateWorktree(server, { ...repository, branch: "topic" });
      // Refused while the fetch goes on, so that it comes again and again until that has ended.
      let deleted = await sendDeleteRepository(server, repository);
      while (deleted.errors !== undefined && codeOf(deleted) === "REPOSITORY_NOT_READY") {
        deleted = await sendDeleteRepository(server, repository);
      }
      const created = await creating;
      const worktree = await readWorktree(server, { ...repository, branch: "topic" });
      if (created.errors === undefined) {
        expect(codeOf(deleted)).toBe("REPOSITORY_IN_USE");
        expect(worktree).toMatchObject({ status: "READY" });
      } else {
        expect(["REPOSITORY_NOT_FOUND", "REPOSITORY_NOT_READY"]).toContain(codeOf(created));
        expect(deleted.errors).toBeUndefined();
        expect(worktree).toBeNull();
        expect(await readRepository(server, repository)).toBeNull();
      }
    }
  });
});
