// Many at once: nothing is lost, nothing is left over.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { clone, cloned, createWorktree, untilRepository } from "../support/repositories.ts";
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

describe("many worktrees at once", () => {
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
