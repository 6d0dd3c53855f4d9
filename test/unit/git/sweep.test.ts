import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createGit } from "../../../src/git/git.ts";
import { findGitPlaces } from "../../../src/git/processes.ts";
import { eventually } from "../../support/workers.ts";
import { createWorkspace, type Workspace } from "./workspace.ts";

let workspace: Workspace;

beforeAll(async () => {
  workspace = await createWorkspace();
});

afterAll(async () => {
  await workspace.close();
});

test("a lock in a worktree in which a git works stays, also where FACTORY_HOME is a symbolic link", async () => {
  const { first } = await workspace.cloned("linked");
  const home = `${workspace.home}-link`;
  await symlink(workspace.home, home);
  let worker: ChildProcess | undefined;
  try {
    const git = createGit({ home, environment: process.env, protocols: ["http"] });
    const repository = git.openRepository({
      host: workspace.server.host,
      owner: "acme",
      name: "linked",
    });
    const { path } = await repository.addWorktree({
      branch: "topic",
      start: { kind: "commit", commit: first },
    });
    const lock = join(repository.worktreeGitDir("topic"), "index.lock");
    await writeFile(lock, "");
    const longAgo = new Date(Date.now() - 3_600_000);
    await utimes(lock, longAgo, longAgo);

    const started = spawn("git", ["cat-file", "--batch"], { cwd: path, stdio: "pipe" });
    worker = started;
    const ended = new Promise((resolve) => started.once("exit", resolve));
    await eventually(async () => (await findGitPlaces(home))?.includes(path) === true);
    expect(await repository.sweep({ keep: ["topic"] })).toEqual([]);
    expect(existsSync(lock)).toBe(true);
    started.stdin.end();
    await ended;
    expect(await repository.sweep({ keep: ["topic"] })).toEqual([
      expect.stringMatching(/^Removed the lock file .*index\.lock/),
    ]);
  } finally {
    worker?.kill("SIGKILL");
    await rm(home);
  }
});
