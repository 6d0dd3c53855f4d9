import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { GitRepository } from "../../../src/git/git.ts";
import { createWorkspace, workerGit, type Workspace } from "./workspace.ts";

let workspace: Workspace;
const loss = { branch: "b", deleteBranch: true };

beforeAll(async () => {
  workspace = await createWorkspace();
});
afterAll(async () => {
  await workspace.close();
});

interface Work {
  readonly repository: GitRepository;
  readonly name: string;
  readonly path: string;
  readonly tip: string;
  /** What the remote's branch stands at; empty where it has none. */
  readonly remoteTip: () => Promise<string>;
}

/** A repository whose local branch b has a commit that the remote lacks. */
async function work(name: string): Promise<Work> {
  const { repository, first } = await workspace.cloned(name);
  const start = { kind: "commit", commit: first } as const;
  const { path } = await repository.addWorktree({ branch: "b", start });
  await workerGit(path, "commit", "-q", "--allow-empty", "-m", "Work");
  return {
    repository,
    name,
    path,
    tip: await workerGit(path, "rev-parse", "HEAD"),
    remoteTip: () =>
      workspace.server.git("acme", name, "for-each-ref", "--format=%(objectname)", "refs/heads/b"),
  };
}

async function hook(name: string, which: string, script: string): Promise<void> {
  const path = join(workspace.server.folder, "acme", `${name}.git`, "hooks", which);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
}

describe("a push", () => {
  test("brings the branch to the remote, and leaves nothing that only the worktree has", async () => {
    const { repository, tip, remoteTip } = await work("plain");
    await expect(repository.assertNothingLost(loss)).rejects.toMatchObject({
      facts: { unpushedCommits: 1 },
    });
    expect(await repository.push({ branch: "b" })).toEqual({ ref: "refs/heads/b", commit: tip });
    expect(await remoteTip()).toBe(tip);
    await repository.assertNothingLost(loss);
    // Again: nothing is left to do.
    expect((await repository.push({ branch: "b" })).commit).toBe(tip);
  });

  test("pushes this branch alone, whatever the worker's configuration says, and runs none of its hooks", async () => {
    const { repository, path, tip, name } = await work("alone");
    await workerGit(path, "tag", "mine");
    await workerGit(path, "branch", "other");
    for (const [key, value] of [
      ["remote.origin.push", "+refs/heads/*:refs/heads/*"],
      ["remote.origin.pushurl", "http://127.0.0.1:1/nowhere.git"],
      ["push.followTags", "true"],
    ] as const) {
      await workerGit(path, "config", key, value);
    }
    const planted = join(repository.path, "hooks", "pre-push");
    await writeFile(planted, `#!/bin/sh\ntouch '${path}/ran'\nexit 1\n`, { mode: 0o755 });
    await repository.push({ branch: "b" });
    const refs = await workspace.server.git("acme", name, "for-each-ref", "--format=%(refname)");
    expect(refs.split("\n")).toEqual(["refs/heads/b", "refs/heads/main"]);
    expect((await repository.inspectWorktree("b")).headCommit).toBe(tip);
    await expect(workerGit(path, "ls-files", "--others")).resolves.toBe("");
  });

  test("never overwrites what the remote has: BRANCH_CONFLICT", async () => {
    const { repository, remoteTip, name } = await work("behind");
    const theirs = await workspace.server.pushCommit("acme", name, "b", { "theirs.txt": "x\n" });
    await expect(repository.push({ branch: "b" })).rejects.toMatchObject({
      code: "BRANCH_CONFLICT",
      message: expect.stringContaining("has commits that this one lacks"),
    });
    expect(await remoteTip()).toBe(theirs);
  });

  test("that the remote's hook declines is FORBIDDEN, in the hook's words", async () => {
    const { repository, remoteTip, name } = await work("declined");
    await hook(name, "pre-receive", "echo 'No pushes on Mondays.' >&2; exit 1");
    await expect(repository.push({ branch: "b" })).rejects.toMatchObject({
      code: "FORBIDDEN",
      message: expect.stringContaining("No pushes on Mondays."),
    });
    expect(await remoteTip()).toBe("");
  });

  test("is done where the remote took it in, though it told of a failure", async () => {
    const { repository, remoteTip, tip, name } = await work("told-wrongly");
    // As another push of the same, whose client was killed, and which comes to its end first.
    await hook(
      name,
      "pre-receive",
      `while read old new ref; do unset GIT_QUARANTINE_PATH; cp -r "$GIT_OBJECT_DIRECTORY"/?? ./objects/ 2>/dev/null; cp "$GIT_OBJECT_DIRECTORY"/pack/* ./objects/pack/ 2>/dev/null; unset GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES; git update-ref "$ref" "$new"; done`,
    );
    expect(await repository.push({ branch: "b" })).toEqual({ ref: "refs/heads/b", commit: tip });
    expect(await remoteTip()).toBe(tip);
    await repository.assertNothingLost(loss);
  });

  test("without credentials that the remote wants is REMOTE_AUTH_FAILED, with them it goes through", async () => {
    const { repository, remoteTip, tip, name } = await work("locked");
    const credentials = { username: "ada", password: "sesame-7" };
    workspace.server.requireAuth("acme", name, credentials);
    await expect(repository.push({ branch: "b" })).rejects.toMatchObject({
      code: "REMOTE_AUTH_FAILED",
    });
    await repository.saveCredentials(credentials);
    await repository.push({ branch: "b" });
    expect(await remoteTip()).toBe(tip);
  });

  test("of a branch that is gone is NOT_FOUND, also where it is another's folder", async () => {
    const { repository } = await work("gone");
    await expect(repository.push({ branch: "absent" })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
  });

  test("ends at once when it is aborted", async () => {
    const { repository, remoteTip, name } = await work("aborted");
    const held = workspace.server.hold(new RegExp(`/${name}\\.git/git-receive-pack`));
    const ending = new AbortController();
    const pushed = repository.push({ branch: "b", signal: ending.signal });
    await held.arrived;
    ending.abort(new Error("enough"));
    await expect(pushed).rejects.toThrow("enough");
    held.release();
    expect(await remoteTip()).toBe("");
  });
});

describe("the changes of a branch", () => {
  test("are counted from where it started, a binary file as a file without lines", async () => {
    const { repository, path } = await work("counted");
    const since = await workerGit(path, "rev-parse", "HEAD~1");
    expect(await repository.countChanges({ branch: "b", since })).toEqual({
      filesChanged: 0,
      insertions: 0,
      deletions: 0,
    });
    await writeFile(join(path, "README.md"), "# other\nand more\n");
    await writeFile(join(path, "image.png"), Buffer.from([0, 1, 2, 0]));
    await workerGit(path, "add", "--all");
    await workerGit(path, "commit", "-q", "-m", "More");
    // What isn't committed is no result.
    await writeFile(join(path, "left.txt"), "x\n");
    const counts = { filesChanged: 2, insertions: 2, deletions: 1 };
    expect(await repository.countChanges({ branch: "b", since })).toEqual(counts);
    expect(await repository.countChanges({ branch: "b", since: null })).toEqual({
      filesChanged: 2,
      insertions: 2,
      deletions: 0,
    });
    expect(await repository.countChanges({ branch: "absent", since })).toBeNull();
  });
});
