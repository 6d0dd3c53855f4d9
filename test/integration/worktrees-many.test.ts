// Many at once: nothing is lost, nothing is left over.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { takeInventory } from "../support/inventory.ts";
import {
  clone,
  cloned,
  createWorktree,
  readRepository,
  sendDeleteWorktree,
  untilRepository,
} from "../support/repositories.ts";
import { runGit } from "../support/worktree-git.ts";

let git: GitServer;
let server: FactoryServer;

beforeAll(async () => {
  git = await startGitServer();
  server = await startFactory();
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

/** The folders that git itself takes for worktrees of the clone. */
async function listWorktrees(folder: string): Promise<string[]> {
  const lines = await runGit(folder, "worktree", "list", "--porcelain");
  return lines
    .split("\n")
    .filter((line) => line.startsWith("worktree "))
    .map((line) => line.slice("worktree ".length));
}

describe("many worktrees at once", () => {
  test("fifty of one repository are fifty, and their branches too", async () => {
    const name = { owner: "acme", name: "fifty" };
    const { headCommit } = await cloned(server, git, name);
    const looks = git.requestCount(/^\/acme\/fifty\.git\/info/);
    const branches = Array.from(
      { length: 50 },
      (_, index) => `w/${String(index).padStart(2, "0")}`,
    );
    const results = await Promise.all(
      branches.map((branch) => createWorktree(server, { ...name, branch })),
    );
    expect(results.every(({ created }) => created)).toBe(true);
    expect(results.map(({ worktree }) => worktree.branch)).toEqual(branches);
    for (const { worktree } of results) {
      expect(worktree).toMatchObject({
        status: "READY",
        baseCommit: headCommit,
        failureCode: null,
      });
    }
    // Those that ask at the same time share a fetch.
    expect(git.requestCount(/^\/acme\/fifty\.git\/info/) - looks).toBeLessThan(25);

    const { refs } = await takeInventory(server);
    expect(branchesOf(refs, "fifty")).toEqual(branches);
    const paths = results.map(({ worktree }) => worktree.path);
    const known = await listWorktrees(paths[0] ?? "");
    expect(known.filter((path) => path.includes("/worktrees/")).sort()).toEqual(paths);
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
    expect(after.rows["Worktree"]).toEqual([]);
  });

  test("ten of a repository of 2,000 files have all of them, while more branches are pushed", async () => {
    const name = { owner: "acme", name: "large" };
    const files = Object.fromEntries(
      Array.from({ length: 2_000 }, (_, index) => [
        `folder-${String(index % 40)}/file-${String(index)}.txt`,
        `This is line one of file ${String(index)}.\n`.repeat(20),
      ]),
    );
    await git.createRepository("acme", "large", { files });
    await clone(server, { ...name, url: git.url("acme", "large") });
    const { headCommit } = await untilRepository(server, name, "SYNCED");
    const [results] = await Promise.all([
      Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          createWorktree(server, { ...name, branch: `topic-${String(index)}` }),
        ),
      ),
      git.pushCommit("acme", "large", "elsewhere", { "new.txt": "new\n" }),
    ]);
    for (const { created, worktree } of results) {
      expect(created).toBe(true);
      expect(worktree).toMatchObject({ status: "READY", baseCommit: headCommit });
      expect(await runGit(worktree.path, "status", "--porcelain")).toBe("");
      expect(await readdir(worktree.path)).toHaveLength(41);
      expect(await readdir(join(worktree.path, "folder-7"))).toHaveLength(50);
    }
  });

  test("of ten repositories, each gets its own", async () => {
    const names = Array.from({ length: 10 }, (_, index) => ({
      owner: "acme",
      name: `many-${String(index)}`,
    }));
    const repositories = await Promise.all(names.map((name) => cloned(server, git, name)));
    const results = await Promise.all(
      names.map((name) => createWorktree(server, { ...name, branch: "topic" })),
    );
    expect(results.map(({ worktree }) => worktree.baseCommit)).toEqual(
      repositories.map(({ headCommit }) => headCommit),
    );
    expect(new Set(results.map(({ worktree }) => worktree.path)).size).toBe(10);
  });
});
