// A git that looks into a worktree while its worker changes what git reads.
import { appendFileSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Confine, GitRepository } from "../../../src/git/git.ts";
import { createReader } from "../../../src/sandbox/reader.ts";
import { availability, describeSandbox } from "../../support/sandbox.ts";
import { createWorkspace, workerGit, type Workspace } from "./workspace.ts";

describeSandbox("git beside a worker", () => {
  let workspace: Workspace;
  let compose: Confine;
  /** What the worker does between the server's look at its repository and the start of git. */
  let race: () => void;
  /** Whether git is confined. */
  let isConfined: boolean;

  beforeAll(async () => {
    if (!availability.available) throw new Error(availability.reason);
    compose = await createReader({
      bubblewrap: availability.bubblewrap,
      trial: ["git", "--version"],
      environment: { PATH: process.env["PATH"] ?? "" },
    });
    workspace = await createWorkspace(process.env, (view) => {
      race();
      return isConfined ? compose(view) : [];
    });
  });
  afterAll(() => workspace.close());

  async function cloneWithWorktree(
    name: string,
    files: Record<string, string>,
  ): Promise<{ repository: GitRepository; first: string; folder: string }> {
    race = () => undefined;
    isConfined = true;
    const { repository, first } = await workspace.cloned(name, { files });
    await repository.addWorktree({ branch: "mine", start: { kind: "commit", commit: first } });
    return { repository, first, folder: repository.worktreePath("mine") };
  }

  test("it answers as without", async () => {
    const { repository, first, folder } = await cloneWithWorktree("ordinary", {
      ".gitattributes": "*.txt text eol=lf\n",
      "kept.txt": "one\n",
    });
    await writeFile(path.join(folder, "kept.txt"), "one\r\ntwo\r\n");
    await writeFile(path.join(folder, "new.txt"), "new\n");
    await workerGit(folder, "commit", "--quiet", "--allow-empty", "-m", "empty");
    const read = async () => {
      const reader = repository.reader({ forWorker: true });
      return Promise.all([
        reader.diff({ branch: "mine", baseCommit: first }),
        reader.inspectWorktree("mine"),
        reader.countCommits({ branch: "mine", since: first }),
        repository.listCommits({ branch: "mine", since: first, limit: 10 }),
      ]);
    };
    const confined = await read();
    isConfined = false;
    expect(confined).toEqual(await read());
    expect(confined[0].filesChanged).toBe(2);
    expect(confined[2]).toBe(1);
    isConfined = true;
    const tip = (await repository.resolveBase("mine")).commit;
    expect(tip).toBe(await workerGit(folder, "rev-parse", "HEAD"));
  });

  test("it finds no objects that the worker names in the last moment", async () => {
    const secret = await cloneWithWorktree("secret", { "secret.txt": "of another team\n" });
    const { repository } = await cloneWithWorktree("prying", { "README.md": "x\n" });
    const own = repository.worktreeGitDir("mine");
    await writeFile(path.join(own, "refs/heads/mine"), `${secret.first}\n`);
    race = () => {
      appendFileSync(path.join(own, "objects/info/alternates"), `${secret.repository.objects}\n`);
    };
    const reader = repository.reader({ forWorker: true });
    const readers = [
      () => reader.countCommits({ branch: "mine", since: null }),
      () => reader.diff({ branch: "mine", baseCommit: secret.first }),
      () => repository.resolveBase("mine"),
    ];
    for (const read of readers) await expect(read()).rejects.toThrow(/./);
    await expect(workerGit(repository.path, "cat-file", "-e", secret.first)).rejects.toThrow(/./);
    // Without confinement each of them reads it: what is tried here is a race that can be won.
    isConfined = false;
    expect(await reader.countCommits({ branch: "mine", since: null })).toBe(1);
    const { text } = await reader.diff({ branch: "mine", baseCommit: secret.first });
    expect(text).toContain("of another team");
    expect((await repository.resolveBase("mine")).commit).toBe(secret.first);
  });

  test("it leaves nothing behind", async () => {
    const scratch = path.join(workspace.home, "making");
    const entries = await readdir(scratch, { recursive: true, withFileTypes: true });
    expect(entries.filter((entry) => !entry.isDirectory())).toEqual([]);
  });
});

test("it is started as it is where nothing confines it", async () => {
  const workspace = await createWorkspace();
  try {
    const { repository, first } = await workspace.cloned("plain");
    await repository.addWorktree({ branch: "mine", start: { kind: "commit", commit: first } });
    const reader = repository.reader({ forWorker: false });
    expect(await reader.countCommits({ branch: "mine", since: null })).toBe(1);
  } finally {
    await workspace.close();
  }
});
