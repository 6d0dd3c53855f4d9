import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  access,
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGit, type GitRepository } from "../../../src/git/git.ts";
import { createWorkspace, workerGit, type Workspace } from "./workspace.ts";

let workspace: Workspace;

beforeAll(async () => {
  workspace = await createWorkspace();
});
afterAll(async () => {
  await workspace.close();
});

const add = (repository: GitRepository, branch: string, commit: string) =>
  repository.addWorktree({ branch, start: { kind: "commit", commit } });

/** What git and the file system know of worktrees and branches. */
async function survey(repository: GitRepository) {
  const own = repository.path.replace(/\.git$/, ".worktrees");
  const entries = await readdir(own).catch(() => []);
  const folders = await readdir(repository.worktreePath("x").slice(0, -2)).catch(() => []);
  const { local } = await repository.branches();
  return { entries: entries.length, folders: folders.sort(), branches: [...local.keys()] };
}

describe("a worktree", () => {
  test("of a new branch is an ordinary repository to its worker", async () => {
    const { server } = workspace;
    const { repository, first } = await workspace.cloned("ordinary");
    const added = await add(repository, "feat/login", first);
    expect(added).toEqual({
      path: repository.worktreePath("feat/login"),
      headCommit: first,
      created: true,
    });
    expect(added.path).toMatch(/worktrees\/acme\/ordinary\/feat\/login$/);
    const { path } = added;
    expect(await workerGit(path, "status", "--porcelain", "--branch")).toBe("## feat/login");
    expect(await workerGit(path, "rev-parse", "--show-toplevel")).toBe(path);
    expect(await workerGit(path, "rev-parse", "--absolute-git-dir")).toBe(
      repository.worktreeGitDir("feat/login"),
    );
    await appendFile(join(path, "README.md"), "more\n");
    await workerGit(path, "commit", "--quiet", "--all", "-m", "More");
    await workerGit(path, "fetch", "--quiet");
    await workerGit(path, "push", "--quiet", "origin", "HEAD");
    expect(await server.git("acme", "ordinary", "rev-parse", "feat/login")).toBe(
      await workerGit(path, "rev-parse", "HEAD"),
    );
    expect((await repository.branches()).local.get("feat/login")).toBe(first);
    const tip = await workerGit(path, "rev-parse", "HEAD");
    expect(await repository.takeIn("feat/login")).toBe(tip);
    expect((await repository.branches()).local.get("feat/login")).toBe(tip);
  });

  test("has a configuration, hooks, stash and branches that no other one sees", async () => {
    const { repository, first } = await workspace.cloned("apart");
    const [one, two] = await Promise.all(
      ["one", "two"].map((name) => add(repository, name, first)),
    );
    await workerGit(one!.path, "config", "commit.gpgsign", "true");
    await workerGit(one!.path, "remote", "set-url", "origin", "https://nowhere.invalid/x.git");
    await workerGit(one!.path, "branch", "side");
    await appendFile(join(one!.path, "README.md"), "more\n");
    await workerGit(one!.path, "stash", "--quiet");
    await writeFile(join(repository.worktreeGitDir("one"), "hooks/pre-commit"), "exit 1");
    await workerGit(two!.path, "commit", "--quiet", "--allow-empty", "-m", "x");
    expect(await workerGit(two!.path, "stash", "list")).toBe("");
    expect(await workerGit(two!.path, "branch", "--format=%(refname:short)")).toBe("two");
    expect(await workerGit(two!.path, "remote", "get-url", "origin")).toBe(
      workspace.server.url("acme", "apart"),
    );
    expect(await readdir(repository.worktreeGitDir("two") + "/hooks")).toEqual([]);
  });

  test("is a base for others as it stands", async () => {
    const { repository, first } = await workspace.cloned("base");
    const { path } = await add(repository, "one", first);
    await workerGit(path, "commit", "--quiet", "--allow-empty", "-m", "x");
    const commit = await workerGit(path, "rev-parse", "HEAD");
    for (const base of ["one", "refs/heads/one"]) {
      expect(await repository.resolveBase(base)).toEqual({ ref: "refs/heads/one", commit });
    }
    expect((await add(repository, "two", commit)).headCommit).toBe(commit);
  });

  test("is put on its branch again at a session's start, with nothing of an earlier one's", async () => {
    const { repository, first } = await workspace.cloned("start");
    const { path } = await add(repository, "b", first);
    const own = repository.worktreeGitDir("b");
    const config = await readFile(join(own, "config"), "utf8");
    await workerGit(path, "switch", "--quiet", "--create", "side");
    await workerGit(path, "commit", "--quiet", "--allow-empty", "-m", "Aside");
    await workerGit(path, "branch", "--quiet", "-D", "b");
    await workerGit(path, "config", "core.hooksPath", ".husky");
    await writeFile(join(own, "hooks/pre-commit"), "exit 1");
    await workspace.server.pushCommit("acme", "start", "main", { new: "1" });
    await repository.fetch();
    expect(await repository.startWorktree("b")).toBe(first);
    expect(await workerGit(path, "branch", "--show-current")).toBe("b");
    expect(await readFile(join(own, "config"), "utf8")).toBe(config);
    expect(await readdir(join(own, "hooks"))).toEqual([]);
    expect(await workerGit(path, "rev-list", "--count", "b..origin/main")).toBe("1");
    expect(await workerGit(path, "log", "-1", "--format=%s", "side")).toBe("Aside");
  });

  test.each([
    [
      "commits on no branch",
      async (path: string) => {
        await workerGit(path, "checkout", "--quiet", "--detach");
        await workerGit(path, "commit", "--quiet", "--allow-empty", "-m", "x");
      },
      "1 commit of it is on no branch",
    ],
    [
      "changes that the branch's files are in the way of",
      async (path: string) => {
        await workerGit(path, "switch", "--quiet", "--create", "side");
        await writeFile(join(path, "README.md"), "other\n");
        await workerGit(path, "commit", "--quiet", "--all", "-m", "x");
        await writeFile(join(path, "README.md"), "work\n");
      },
      "it stands on side",
    ],
  ])("fails a session's start with %s, and stays as it is", async (what, change, told) => {
    const { repository, first } = await workspace.cloned(`start-${what.replaceAll(/\W/g, "-")}`);
    const { path } = await add(repository, "b", first);
    await change(path);
    const before = await workerGit(path, "status", "--branch", "--porcelain=v2");
    await expect(repository.startWorktree("b")).rejects.toMatchObject({
      code: "WORKTREE_DIRTY",
      message: expect.stringContaining(told),
    });
    expect(await workerGit(path, "status", "--branch", "--porcelain=v2")).toBe(before);
  });

  test("that is there is found again, whatever it holds", async () => {
    const { repository, first } = await workspace.cloned("again");
    const { path } = await add(repository, "b", first);
    await writeFile(join(path, "work"), "mine");
    expect(await add(repository, "b", first)).toEqual({ path, headCommit: first, created: false });
    expect(await readFile(join(path, "work"), "utf8")).toBe("mine");
  });

  test("of a local branch takes it up as it stands, also where a tag has its name", async () => {
    const { repository, first } = await workspace.cloned("local");
    const { path } = await add(repository, "b", first);
    await workerGit(path, "commit", "--quiet", "--allow-empty", "-m", "work");
    const tip = await workerGit(path, "rev-parse", "HEAD");
    await repository.removeWorktree({ branch: "b", force: true, deleteBranch: false });
    await workerGit(repository.path, "tag", "b", first);
    const again = await repository.addWorktree({ branch: "b", start: { kind: "local" } });
    expect(again).toEqual({ path, headCommit: tip, created: true });
    expect(await workerGit(path, "symbolic-ref", "HEAD")).toBe("refs/heads/b");
  });

  test("in a repository without commits has a branch that is yet to be born", async () => {
    const { repository } = await workspace.cloned("unborn", { empty: true });
    const added = await repository.addWorktree({ branch: "start", start: { kind: "unborn" } });
    expect(added).toMatchObject({ headCommit: null, created: true });
    const again = await repository.addWorktree({ branch: "start", start: { kind: "unborn" } });
    expect(again).toMatchObject({ headCommit: null, created: false });
    expect(await repository.inspectWorktree("start")).toEqual({
      isWhole: true,
      headCommit: null,
      changedFiles: 0,
      changedPaths: [],
      stashes: 0,
      unfinished: null,
    });
    await writeFile(join(added.path, "a"), "1\n");
    const diff = await repository.diff({ branch: "start", baseCommit: null });
    expect(diff).toMatchObject({ filesChanged: 1, insertions: 1, deletions: 0 });
    await workerGit(added.path, "add", ".");
    await workerGit(added.path, "commit", "--quiet", "-m", "First");
    expect(await workerGit(added.path, "rev-list", "--count", "HEAD")).toBe("1");
    const commits = await repository.listCommits({ branch: "start", since: null, limit: 10 });
    expect(commits.map(({ subject }) => subject)).toEqual(["First"]);
    await expect(
      repository.assertNothingLost({ branch: "start", deleteBranch: true }),
    ).rejects.toMatchObject({ facts: { unpushedCommits: 1 } });
  });

  test("is made 50 times at once, all whole, and removed again without a trace", async () => {
    const files = Object.fromEntries(
      Array.from({ length: 40 }, (_, index) => [`folder-${index % 5}/file-${index}`, `${index}\n`]),
    );
    const { repository, first } = await workspace.cloned("many", { files });
    const branches = Array.from({ length: 50 }, (_, index) => `group-${index % 3}/branch-${index}`);
    const added = await Promise.all(branches.map((branch) => add(repository, branch, first)));
    expect(new Set(added.map(({ path }) => path)).size).toBe(50);
    const states = await Promise.all(branches.map((branch) => repository.inspectWorktree(branch)));
    expect(states).toEqual(
      branches.map(() => ({
        isWhole: true,
        headCommit: first,
        changedFiles: 0,
        changedPaths: [],
        stashes: 0,
        unfinished: null,
      })),
    );
    expect((await survey(repository)).branches).toHaveLength(50);
    await Promise.all(
      branches.map((branch) =>
        repository.removeWorktree({ branch, force: false, deleteBranch: true }),
      ),
    );
    expect(await survey(repository)).toEqual({ entries: 0, folders: [], branches: [] });
  });

  test("of the same branch asked for at once is made once", async () => {
    const { repository, first } = await workspace.cloned("same");
    const added = await Promise.all(
      Array.from({ length: 5 }, () => add(workspace.open("same"), "b", first)),
    );
    expect(added.map(({ created }) => created).sort()).toEqual([false, false, false, false, true]);
    expect((await survey(repository)).entries).toBe(1);
  });

  test("that fails leaves nothing behind", async () => {
    const { repository, first } = await workspace.cloned("failing");
    await workerGit(repository.path, "branch", "taken", first);
    await workerGit(repository.path, "branch", "feat", first);
    const before = await survey(repository);
    await expect(add(repository, "taken", first)).rejects.toMatchObject({ code: "BRANCH_EXISTS" });
    await expect(add(repository, "feat/x", first)).rejects.toMatchObject({
      code: "BRANCH_CONFLICT",
    });
    await expect(add(repository, "new", "0".repeat(40))).rejects.toThrow();
    const abort = new AbortController();
    const adding = repository.addWorktree({
      branch: "aborted",
      start: { kind: "commit", commit: first },
      signal: abort.signal,
    });
    abort.abort(new Error("enough"));
    await expect(adding).rejects.toThrow("enough");
    expect(await survey(repository)).toEqual(before);
  });

  test("isn't made in a folder that holds something else, nor inside another worktree", async () => {
    const { repository, first } = await workspace.cloned("occupied");
    await mkdir(repository.worktreePath("b"), { recursive: true });
    await writeFile(join(repository.worktreePath("b"), "precious"), "mine");
    await expect(add(repository, "b", first)).rejects.toMatchObject({ code: "WORKTREE_IN_USE" });
    expect(await readFile(join(repository.worktreePath("b"), "precious"), "utf8")).toBe("mine");

    const { path } = await add(repository, "feat", first);
    await workerGit(path, "checkout", "-q", "-b", "other");
    await workerGit(path, "branch", "-q", "-D", "feat");
    await expect(add(repository, "feat/x", first)).rejects.toMatchObject({
      code: "BRANCH_CONFLICT",
    });
  });

  test("whose folder somebody deleted is made anew", async () => {
    const { repository, first } = await workspace.cloned("deleted");
    const { path } = await add(repository, "b", first);
    await rm(path, { recursive: true });
    await expect(repository.inspectWorktree("b")).rejects.toMatchObject({
      code: "WORKTREE_NOT_FOUND",
    });
    const added = await repository.addWorktree({ branch: "b", start: { kind: "local" } });
    expect(added).toEqual({ path, headCommit: first, created: true });
    expect((await survey(repository)).entries).toBe(1);
  });
});

describe("a server that is killed", () => {
  // A git before the real one on PATH, which kills the server at the wanted command.
  const moments: [title: string, command: string, script: string][] = [
    ["before the checkout", "reset", "kill -9 $PPID; exit 1"],
    [
      "in the checkout",
      "reset",
      'touch "$GIT_DIR/index.lock" "$GIT_WORK_TREE/half"; kill -9 $PPID',
    ],
    ["after the checkout", "reset", 'real "$@"; kill -9 $PPID; exit 0'],
    ["before the branch is in the clone", "update-ref", "kill -9 $PPID; exit 1"],
    ["after the branch is in the clone", "update-ref", 'real "$@"; kill -9 $PPID; exit 0'],
  ];

  test.each(moments.map((moment, index) => [...moment, `killed-${index}`] as const))(
    "%s: the next try succeeds",
    async (_title, command, script, name) => {
      const { repository, first } = await workspace.cloned(name);
      const signal = await changeAndDie([name, "feat/b", first], command, script);
      expect(signal).toBe("SIGKILL");
      const after = workspace.restart();
      const handle = after.openRepository({ host: workspace.server.host, owner: "acme", name });
      const hasBegun = command === "update-ref";
      expect((await survey(repository)).entries).toBe(hasBegun ? 1 : 0);
      await after.recover();
      expect(await readdir(workspace.home)).not.toContain("making");
      const added = await add(handle, "feat/b", first);
      expect(added).toMatchObject({ headCommit: first, created: !hasBegun });
      expect(await handle.takeIn("feat/b")).toBe(first);
      expect(await handle.inspectWorktree("feat/b")).toMatchObject({ changedFiles: 0 });
      await expect(access(join(added.path, "half"))).rejects.toThrow();
      expect(await survey(repository)).toEqual({
        entries: 1,
        folders: ["feat"],
        branches: ["feat/b"],
      });
    },
  );

  test("while it removes a worktree: the next try finishes that", async () => {
    const { repository, first } = await workspace.cloned("removing");
    await add(repository, "b", first);
    const signal = await changeAndDie(["removing", "b"], "update-ref", "kill -9 $PPID; exit 1");
    expect(signal).toBe("SIGKILL");
    expect(await repository.isWhole("b")).toBe(true);
    await repository.removeWorktree({ branch: "b", force: false, deleteBranch: true });
    expect(await survey(repository)).toEqual({ entries: 0, folders: [], branches: [] });
    expect(await readdir(join(workspace.home, "trash"))).toEqual([]);
  });
});

/** Resolves with the signal that ended the process which made the change. */
async function changeAndDie(
  [name, branch, commit]: [name: string, branch: string, commit?: string],
  command: string,
  script: string,
): Promise<NodeJS.Signals | null> {
  const bin = await mkdtemp(join(tmpdir(), "factory-bin-"));
  try {
    const real = (await workerGit(bin, "--exec-path")).trim();
    await writeFile(
      join(bin, "git"),
      `#!/bin/sh\nreal() { ${real}/git "$@"; }\ncase "$1" in ${command}) ${script} ;; *) exec ${real}/git "$@" ;; esac\n`,
    );
    await chmod(join(bin, "git"), 0o755);
    const { home, server } = workspace;
    const child = spawn(
      process.execPath,
      [
        join(import.meta.dirname, "change-once.ts"),
        ...[home, server.host, name, branch],
        ...(commit === undefined ? [] : [commit]),
      ],
      {
        env: { PATH: `${bin}:${process.env["PATH"] ?? ""}` },
        stdio: ["ignore", "ignore", "inherit"],
      },
    );
    const [, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
    return signal;
  } finally {
    await rm(bin, { recursive: true, force: true });
  }
}

describe("the removal of a worktree", () => {
  test.each([
    ["a changed file", (path: string) => appendFile(join(path, "README.md"), "x")],
    ["an untracked file", (path: string) => writeFile(join(path, "new"), "x")],
    [
      "a commit that the remote lacks",
      (path: string) => workerGit(path, "commit", "-q", "--allow-empty", "-m", "x"),
    ],
    [
      "a commit without a branch",
      async (path: string) => {
        await workerGit(path, "checkout", "-q", "--detach");
        await workerGit(path, "commit", "-q", "--allow-empty", "-m", "x");
      },
    ],
    [
      "a commit on a branch that HEAD has left",
      async (path: string) => {
        await workerGit(path, "commit", "-q", "--allow-empty", "-m", "x");
        await workerGit(path, "checkout", "-q", "--detach", "HEAD~1");
      },
    ],
    [
      "a commit on a side branch",
      async (path: string) => {
        await workerGit(path, "checkout", "-q", "-b", "side");
        await workerGit(path, "commit", "-q", "--allow-empty", "-m", "x");
        await workerGit(path, "checkout", "-q", "b");
      },
    ],
    [
      "a commit that a tag alone leads to",
      async (path: string) => {
        await workerGit(path, "commit", "-q", "--allow-empty", "-m", "x");
        await workerGit(path, "tag", "kept");
        await workerGit(path, "reset", "-q", "--hard", "HEAD~1");
      },
    ],
    [
      "a stash",
      async (path: string) => {
        await appendFile(join(path, "README.md"), "x");
        await workerGit(path, "stash", "-q");
      },
    ],
    [
      "a rebase in the middle",
      async (path: string) => {
        await workerGit(path, "-c", "sequence.editor=echo break >", "rebase", "-q", "-i", "HEAD");
      },
    ],
    [
      "another worktree of its own",
      async (path: string) => {
        const more = join(workspace.home, "more");
        await workerGit(path, "worktree", "add", "-q", "-b", "more", more);
      },
    ],
    [
      "a repository of its own",
      async (path: string) => {
        await rm(join(path, ".git"));
        await workerGit(path, "init", "-q");
        await workerGit(path, "add", "--all");
        await workerGit(path, "commit", "-q", "-m", "x");
      },
    ],
    [
      "a submodule in use",
      async (path: string) => {
        const inner = join(path, "inner");
        await mkdir(inner);
        await workerGit(inner, "init", "-q");
        await workerGit(inner, "commit", "-q", "--allow-empty", "-m", "x");
        await writeFile(join(path, ".gitmodules"), "");
        await workerGit(path, "add", "inner", ".gitmodules");
        await workerGit(path, "commit", "-q", "-m", "x");
        await workerGit(path, "push", "-q", "origin", "HEAD");
      },
    ],
  ])("is refused while it holds %s, unless forced", async (what, change) => {
    const name = `dirty-${what.replaceAll(/\W/g, "-")}`;
    const { repository, first } = await workspace.cloned(name);
    const { path } = await add(repository, "b", first);
    await change(path);
    await repository.fetch();
    const removal = { branch: "b", deleteBranch: true } as const;
    await expect(repository.removeWorktree({ ...removal, force: false })).rejects.toMatchObject({
      code: "WORKTREE_DIRTY",
    });
    await access(join(path, "README.md"));
    await repository.removeWorktree({ ...removal, force: true });
    expect(await survey(repository)).toEqual({ entries: 0, folders: [], branches: [] });
  });

  test("goes through with ignored files, and keeps the branch where it is not to go", async () => {
    const { repository, first } = await workspace.cloned("ignored", {
      files: { ".gitignore": "build/\n", "a.txt": "a" },
    });
    const { path } = await add(repository, "feat/b", first);
    await add(repository, "feat/c", first);
    await mkdir(join(path, "build"));
    await writeFile(join(path, "build/out"), "x");
    await repository.removeWorktree({ branch: "feat/b", force: false, deleteBranch: false });
    expect(await survey(repository)).toEqual({
      entries: 1,
      folders: ["feat"],
      branches: ["feat/b", "feat/c"],
    });
    // What is gone already is no error, and its branch can still go.
    await repository.removeWorktree({ branch: "feat/b", force: false, deleteBranch: true });
    expect((await survey(repository)).branches).toEqual(["feat/c"]);
  });

  test("of everything removes the clone, its worktrees and its credentials", async () => {
    const { repository, first } = await workspace.cloned("all");
    await repository.saveCredentials({ username: "a", password: "b" });
    await add(repository, "b", first);
    await repository.remove();
    expect(await repository.exists()).toBe(false);
    const left = await readdir(workspace.home, { recursive: true });
    expect(left.filter((path) => /\/all(?:\/|\.|$)/.test(path))).toEqual([]);
  });
});

describe("a lock file", () => {
  test("that a live process holds is waited for, never deleted", async () => {
    const { repository, first } = await workspace.cloned("locked");
    await workerGit(repository.path, "branch", "b", first);
    const lock = join(repository.path, "refs/heads/b.lock");
    const script = `exec 9>${lock}; echo held; read line; sleep 0.5; rm ${lock}; echo released`;
    const holder = spawn("sh", ["-c", script], { stdio: ["pipe", "pipe", "inherit"] });
    const ended = once(holder, "close");
    const said: string[] = [];
    await once(holder.stdout, "data");
    holder.stdout.on("data", (chunk) => said.push(String(chunk).trim()));
    const old = new Date(Date.now() - 86_400_000);
    await utimes(lock, old, old);
    const removal = repository.removeWorktree({ branch: "b", force: true, deleteBranch: true });
    holder.stdin.end("go\n");
    await removal;
    said.push("removed");
    await ended;
    expect(said).toEqual(["released", "removed"]);
    expect((await repository.branches()).local.size).toBe(0);
  });

  test("without an owner is removed once it is old, and stands in the way until then", async () => {
    const { repository, first } = await workspace.cloned("stale");
    await workerGit(repository.path, "branch", "b", first);
    const lock = join(repository.path, "packed-refs.lock");
    await writeFile(lock, "");
    const pack = () =>
      createGit({ home: workspace.home, environment: process.env, protocols: [] })
        .openRepository({ host: workspace.server.host, owner: "acme", name: "stale" })
        .removeWorktree({ branch: "b", force: true, deleteBranch: true });
    await expect(pack()).rejects.toMatchObject({ code: "REPOSITORY_IN_USE" });
    await access(lock);
    const old = new Date(Date.now() - 120_000);
    await utimes(lock, old, old);
    await pack();
    expect((await repository.branches()).local.size).toBe(0);
    await expect(access(lock)).rejects.toThrow();
  });
});
