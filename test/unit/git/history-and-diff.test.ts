import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import {
  appendFile,
  mkdir,
  readFile,
  readdir,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { eventually } from "../../support/workers.ts";
import { createWorkspace, workerGit, type Workspace } from "./workspace.ts";

let workspace: Workspace;

beforeAll(async () => {
  workspace = await createWorkspace();
});
afterAll(async () => {
  await workspace.close();
});

async function worktree(name: string, files: Record<string, string> = { "README.md": "# test\n" }) {
  const { repository, first } = await workspace.cloned(name, { files });
  const { path } = await repository.addWorktree({
    branch: "b",
    start: { kind: "commit", commit: first },
  });
  return { repository, first, path };
}

async function commit(path: string, subject: string): Promise<string> {
  await workerGit(path, "add", "--all");
  await workerGit(path, "commit", "-q", "--allow-empty", "-m", subject);
  return workerGit(path, "rev-parse", "HEAD");
}

describe("commits", () => {
  test("are told oldest first, the newest where there are more than asked for", async () => {
    const { repository, first, path } = await worktree("commits");
    const ids: string[] = [];
    for (const subject of ["One", "Zwei: ä", "Three\n\nwith a body"]) {
      ids.push(await commit(path, subject));
    }
    const input = { branch: "b", since: first } as const;
    const commits = await repository.listCommits({ ...input, limit: 10 });
    expect(commits).toEqual(
      ["One", "Zwei: ä", "Three"].map((subject, index) => ({
        id: ids[index],
        subject,
        authorName: "Worker",
        committedAt: expect.any(Date),
      })),
    );
    expect(Math.abs(Date.now() - commits[0]!.committedAt.getTime())).toBeLessThan(60_000);
    const newest = await repository.listCommits({ ...input, limit: 2 });
    expect(newest.map(({ subject }) => subject)).toEqual(["Zwei: ä", "Three"]);
    expect(await repository.countCommits(input)).toBe(3);
    expect(await repository.countCommits({ branch: "b", since: null })).toBe(4);
  });

  /** A commit as its author made it, byte by byte, on the branch. */
  async function commitRaw(path: string, raw: { ident: Buffer; date: string; message: Buffer }) {
    const [tree, parent] = [
      await workerGit(path, "rev-parse", "HEAD^{tree}"),
      await workerGit(path, "rev-parse", "HEAD"),
    ];
    const file = join(workspace.home, "commit");
    await writeFile(
      file,
      Buffer.concat([
        Buffer.from(`tree ${tree}\nparent ${parent}\nauthor `),
        raw.ident,
        Buffer.from(` ${raw.date}\ncommitter `),
        raw.ident,
        Buffer.from(` ${raw.date}\n\n`),
        raw.message,
      ]),
    );
    const id = await workerGit(path, "hash-object", "-t", "commit", "-w", "--literally", file);
    await workerGit(path, "update-ref", "HEAD", id);
    return id;
  }

  test("with dates that no calendar or column holds are told, at the nearest that one does", async () => {
    const { repository, first, path } = await worktree("dates");
    const ident = Buffer.from("Ada <ada@example.org>");
    const dates = [
      // A real one, of rails/rails.
      ["1312735823 +051800", "2011-08-07T16:50:23.000Z"],
      ["1700000000 +5000", "2023-11-14T22:13:20.000Z"],
      ["253402300800 +0000", "9999-12-31T23:59:59.000Z"],
      ["300000000000 +0000", "9999-12-31T23:59:59.000Z"],
      ["99999999999999999999 +0000", "9999-12-31T23:59:59.000Z"],
      ["0 +0000", "1970-01-01T00:00:00.000Z"],
    ] as const;
    for (const [date] of dates) {
      await commitRaw(path, { ident, date, message: Buffer.from("odd\n") });
    }
    for (const date of ["-100000 +0000", "no date", ""]) {
      await commitRaw(path, { ident, date, message: Buffer.from("odd\n") });
    }
    const commits = await repository.listCommits({ branch: "b", since: first, limit: 100 });
    const told = commits.map(({ committedAt }) => committedAt.toISOString());
    expect(told.slice(0, dates.length)).toEqual(dates.map(([, iso]) => iso));
    expect(commits).toHaveLength(dates.length + 3);
    expect(told.every((date) => /^\d{4}-/.test(date))).toBe(true);
  });

  test("with odd authors and subjects are told one by one, bounded and as text", async () => {
    const { repository, first, path } = await worktree("authors");
    const date = "1700000000 +0000";
    const long = "x".repeat(1024 * 1024);
    const ids = [
      await commitRaw(path, { ident: Buffer.from(" <>"), date, message: Buffer.from("nameless") }),
      await commitRaw(path, {
        ident: Buffer.from("A\0B <a\0b@example.org>"),
        date,
        message: Buffer.from("with NUL\0and more"),
      }),
      await commitRaw(path, {
        ident: Buffer.from("J\xf6rg \xff <\xff@example.org>", "latin1"),
        date,
        message: Buffer.from("\xfcber\n", "latin1"),
      }),
      await commitRaw(path, {
        ident: Buffer.from(`${long} <${long}@example.org>`),
        date,
        message: Buffer.from(long),
      }),
      // Marks that take no room of their own.
      await commitRaw(path, {
        ident: Buffer.from("Ada <ada@example.org>"),
        date,
        message: Buffer.from("a\u0301".repeat(512 * 1024)),
      }),
      await commitRaw(path, { ident: Buffer.from("no address"), date, message: Buffer.from("") }),
    ];
    const commits = await repository.listCommits({ branch: "b", since: first, limit: 100 });
    expect(commits.map(({ id }) => id)).toEqual(ids);
    const [nameless, nul, bytes, huge, marks, none] = commits;
    expect(nameless).toMatchObject({ authorName: "", subject: "nameless" });
    expect(nul!.subject).toMatch(/^with NUL/);
    expect(bytes).toMatchObject({ authorName: "J\uFFFDrg \uFFFD", subject: "\uFFFDber" });
    for (const { authorName, subject } of [huge!, marks!]) {
      expect(subject.length).toBeGreaterThan(100);
      expect(subject.length).toBeLessThanOrEqual(1000);
      expect(authorName.length).toBeLessThanOrEqual(1000);
    }
    expect(none).toMatchObject({ subject: "" });
  });

  test("of a branch that isn't there are none, also where it is another's folder", async () => {
    const { repository, first } = await worktree("none");
    await workerGit(repository.path, "branch", "feat/x", first);
    for (const branch of ["absent", "feat"]) {
      expect(await repository.listCommits({ branch, since: null, limit: 1 })).toEqual([]);
      expect(await repository.countCommits({ branch, since: first })).toBe(0);
    }
  });
});

describe("the state of a worktree", () => {
  test("counts changed, new and deleted files but no ignored ones, and commits that the remote lacks", async () => {
    const { repository, first, path } = await worktree("state", {
      ".gitignore": "*.log\n",
      "a.txt": "a\n",
      "b.txt": "b\n",
    });
    expect(await repository.inspectWorktree("b")).toEqual({
      isWhole: true,
      headCommit: first,
      changedFiles: 0,
      changedPaths: [],
      stashes: 0,
      unfinished: null,
    });
    const tip = await commit(path, "Work");
    await writeFile(join(path, "out.log"), "ignored");
    await writeFile(join(path, "new\nline ä.txt"), "x");
    await appendFile(join(path, "a.txt"), "x");
    await rm(join(path, "b.txt"));
    const state = {
      isWhole: true,
      headCommit: tip,
      changedFiles: 3,
      changedPaths: ["a.txt", "b.txt", "new\uFFFDline ä.txt"],
      stashes: 0,
      unfinished: null,
    };
    expect(await repository.inspectWorktree("b")).toEqual(state);
    const loss = { branch: "b", deleteBranch: true };
    await expect(repository.assertNothingLost(loss)).rejects.toMatchObject({
      facts: { changedFiles: 3, unpushedCommits: 1, commits: [`${tip.slice(0, 7)} Work`] },
    });
    // By itself: the clone is brought up to date where that decides.
    await workerGit(path, "push", "-q", "origin", "b");
    await expect(repository.assertNothingLost(loss)).rejects.toMatchObject({
      facts: { changedFiles: 3, unpushedCommits: 0 },
    });
  });
});

describe("a diff", () => {
  test("goes from the commit to the files as they are, and leaves the index alone", async () => {
    const { repository, first, path } = await worktree("diff", {
      ".gitignore": "*.log\n",
      "committed.txt": "1\n",
      "changed.txt": "1\n2\n",
      "deleted.txt": "1\n",
      "staged.txt": "1\n",
      "moved.txt": "the same\ncontent\nas before\n",
    });
    await appendFile(join(path, "committed.txt"), "2\n");
    await workerGit(path, "mv", "moved.txt", "there.txt");
    await commit(path, "Work");
    await appendFile(join(path, "staged.txt"), "2\n");
    await workerGit(path, "add", "staged.txt");
    await writeFile(join(path, "changed.txt"), "1\nzwei\n");
    await rm(join(path, "deleted.txt"));
    await mkdir(join(path, "new folder"));
    await writeFile(join(path, "new folder/ä\ttab.txt"), "new\n");
    await writeFile(join(path, "-x"), "option?\n");
    await writeFile(join(path, "empty"), "");
    await writeFile(join(path, "script.sh"), "#!/bin/sh\n", { mode: 0o755 });
    await symlink("/nowhere", join(path, "link"));
    await writeFile(join(path, "out.log"), "ignored");
    await writeFile(join(path, first), "a file that is called as the commit\n");
    const index = join(repository.worktreeGitDir("b"), "index");
    const before = await readFile(index);

    const diff = await repository.diff({ branch: "b", baseCommit: first });

    expect(diff).toMatchObject({ truncated: false, filesChanged: 11, insertions: 8, deletions: 2 });
    for (const line of [
      "+2",
      "-2\n+zwei",
      "deleted file mode",
      "rename from moved.txt",
      "new file mode 100755",
      "new file mode 120000",
      "+++ b/-x",
      "+new",
    ]) {
      expect(diff.text).toContain(line);
    }
    expect(diff.text).not.toContain("ignored");
    expect(await readFile(index)).toEqual(before);
    expect(await workerGit(path, "diff", "--cached", "--name-only")).toBe("staged.txt");
    const { home } = workspace;
    const left = await readdir(join(home, "making"), { recursive: true, withFileTypes: true });
    expect(left.filter((entry) => !entry.isDirectory())).toEqual([]);
  });

  test("is cut at the limit, never inside a character, with the counts of the whole", async () => {
    const { repository, first, path } = await worktree("long");
    await writeFile(join(path, "long.txt"), "ä€😀\n".repeat(400_000));
    for (const limitBytes of [1000, 1001, 1002, 1003]) {
      const diff = await repository.diff({ branch: "b", baseCommit: first, limitBytes });
      expect(diff).toMatchObject({ truncated: true, filesChanged: 1, insertions: 400_000 });
      expect(Buffer.byteLength(diff.text)).toBeGreaterThan(limitBytes - 4);
      expect(Buffer.byteLength(diff.text)).toBeLessThanOrEqual(limitBytes);
      expect(diff.text).not.toContain("\ufffd");
    }
    const usual = await repository.diff({ branch: "b", baseCommit: first });
    expect(Buffer.byteLength(usual.text)).toBeGreaterThan(1024 * 1024 - 4);
  });

  test("sees a file that was changed within the second of its commit, and is as long as before", async () => {
    const { repository, path } = await worktree("racy");
    await writeFile(join(path, "file"), "before");
    const base = await commit(path, "Before");
    await writeFile(join(path, "file"), "behind");
    const { mtimeMs } = await stat(join(path, "file"));
    await eventually(() => Date.now() > mtimeMs + 1_000);
    const diff = await repository.diff({ branch: "b", baseCommit: base });
    expect(diff).toMatchObject({ filesChanged: 1, insertions: 1, deletions: 1 });
  });

  test("passes over repositories and unreadable things inside the worktree", async () => {
    const { repository, first, path } = await worktree("odd");
    await mkdir(join(path, "inner"));
    await workerGit(join(path, "inner"), "init", "-q");
    await writeFile(join(path, "inner/file"), "x");
    await writeFile(join(path, "seen"), "x\n");
    await writeFile(join(path, "binary"), Buffer.from([0, 1, 2, 255]));
    const diff = await repository.diff({ branch: "b", baseCommit: first });
    expect(diff.filesChanged).toBe(2);
    expect(diff.text).toContain("+++ b/seen");
    expect(diff.text).toContain("Binary files /dev/null and b/binary differ");
  });
});
