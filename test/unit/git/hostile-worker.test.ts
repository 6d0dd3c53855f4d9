import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import {
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  rm,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { GitRepository } from "../../../src/git/git.ts";
import { createWorkspace, workerGit, type Workspace } from "./workspace.ts";

let workspace: Workspace;
let marks: string;

beforeAll(async () => {
  workspace = await createWorkspace();
  marks = await mkdtemp(join(tmpdir(), "factory-marks-"));
});
afterAll(async () => {
  await workspace.close();
  await rm(marks, { recursive: true, force: true });
});

interface Prey {
  readonly repository: GitRepository;
  readonly path: string;
  /** A program that leaves a mark when it is run. */
  readonly program: string;
  readonly config: (text: string) => Promise<void>;
}

const attacks: Record<string, (prey: Prey) => Promise<void>> = {
  "hooks in the repository": async ({ repository, program }) => {
    const hooks = [
      ...["post-checkout", "reference-transaction", "pre-auto-gc", "post-index-change"],
      ...["pre-commit", "post-rewrite", "fsmonitor-watchman", "pre-push", "proc-receive"],
    ];
    for (const hook of hooks) {
      const hooks = join(repository.worktreeGitDir("prey"), "hooks");
      await mkdir(hooks, { recursive: true });
      await writeFile(join(hooks, hook), `#!/bin/sh\nexec ${program}\n`);
      await chmod(join(hooks, hook), 0o755);
    }
  },
  "core.hooksPath": async ({ config, path, program }) => {
    await mkdir(join(path, "..", "hooks"), { recursive: true });
    const hook = join(path, "..", "hooks", "post-checkout");
    await writeFile(hook, `#!/bin/sh\nexec ${program}\n`);
    await chmod(hook, 0o755);
    await writeFile(join(dirname(hook), "post-index-change"), `#!/bin/sh\nexec ${program}\n`);
    await chmod(join(dirname(hook), "post-index-change"), 0o755);
    await config(`[core]\n\thooksPath = ${dirname(hook)}\n`);
  },
  "core.fsmonitor": ({ config, program }) => config(`[core]\n\tfsmonitor = ${program}\n`),
  "a filter by .gitattributes": async ({ config, path, program }) => {
    await config(filter(program));
    await writeFile(join(path, ".gitattributes"), "* filter=evil diff=evil\n");
  },
  "a filter by info/attributes": async ({ config, repository, program }) => {
    await config(filter(program));
    const info = join(repository.worktreeGitDir("prey"), "info");
    await mkdir(info, { recursive: true });
    await writeFile(join(info, "attributes"), "* filter=evil diff=evil\n");
  },
  "a filter by core.attributesFile": async ({ config, path, program }) => {
    await config(`${filter(program)}[core]\n\tattributesFile = ${path}/attributes\n`);
    await writeFile(join(path, "attributes"), "* filter=evil diff=evil\n");
  },
  "aliases of our commands": ({ config, program }) =>
    config(`[alias]\n\tstatus = !${program}\n\tfetch = !${program}\n\tst = !${program}\n`),
  "an included file": async ({ config, path, program }) => {
    await writeFile(join(path, "..", "included"), `[core]\n\tfsmonitor = ${program}\n`);
    await config(`[include]\n\tpath = ${join(path, "..", "included")}\n`);
  },
  "commands for transports and credentials": ({ config, program }) =>
    config(
      `[core]\n\tsshCommand = ${program}\n\taskPass = ${program}\n\tgitProxy = ${program}\n` +
        `[credential]\n\thelper = !${program}\n` +
        `[core]\n\talternateRefsCommand = ${program}\n[uploadpack]\n\tpackObjectsHook = ${program}\n` +
        `[remote "origin"]\n\turl = ext::${program}\n\tuploadpack = ${program}\n\tvcs = evil\n` +
        `[url "ext::${program} "]\n\tinsteadOf = http://\n`,
    ),
  "a configuration of the worktree": async ({ config, repository, program }) => {
    await config("[extensions]\n\tworktreeConfig = true\n");
    const text = `[core]\n\tfsmonitor = ${program}\n`;
    await writeFile(join(repository.worktreeGitDir("prey"), "config.worktree"), text);
  },
  "another commondir": async ({ repository, path, program }) => {
    const evil = await makeEvilRepository(path, program);
    await writeFile(join(repository.worktreeGitDir("prey"), "commondir"), `${evil}\n`);
  },
  "another .git file": async ({ path, program }) => {
    const evil = await makeEvilRepository(path, program);
    await writeFile(join(path, ".git"), `gitdir: ${evil}\n`);
  },
  "a submodule with a configuration of its own": async ({ path, program }) => {
    const inner = join(path, "inner");
    await mkdir(inner);
    await workerGit(inner, "init", "--quiet");
    await workerGit(inner, "commit", "--quiet", "--allow-empty", "-m", "inner");
    await workerGit(path, "add", "inner");
    await workerGit(path, "commit", "--quiet", "-m", "with a submodule");
    await appendFile(join(inner, ".git/config"), `[core]\n\tfsmonitor = ${program}\n`);
    await writeFile(
      join(path, ".gitmodules"),
      '[submodule "inner"]\n\tpath = inner\n\turl = ./x\n',
    );
  },
};

function filter(program: string): string {
  return (
    `[filter "evil"]\n\tclean = ${program}\n\tsmudge = ${program}\n\trequired = true\n` +
    `[diff "evil"]\n\tcommand = ${program}\n\ttextconv = ${program}\n` +
    `[diff]\n\texternal = ${program}\n`
  );
}

/** A whole repository, so that git would take it for one. */
async function makeEvilRepository(path: string, program: string): Promise<string> {
  const evil = join(path, "..", "evil.git");
  await mkdir(evil);
  await workerGit(evil, "init", "--quiet", "--bare");
  await appendFile(join(evil, "config"), `[core]\n\tfsmonitor = ${program}\n\tbare = false\n`);
  return evil;
}

/** Everything that the server does with a repository. */
async function useAll(repository: GitRepository, name: string): Promise<void> {
  const commit = await workspace.server.pushCommit("acme", name, "main", { "new.txt": name });
  await repository.fetch();
  await repository.resolveBase("main");
  await repository.addWorktree({ branch: "next", start: { kind: "commit", commit } });
  const state = await repository.inspectWorktree("prey");
  await repository.diff({ branch: "prey", baseCommit: state.headCommit });
  await repository.listCommits({ branch: "prey", since: null, limit: 10 });
  await repository.countCommits({ branch: "prey", since: null });
  await repository.findStray("prey");
  await repository.assertNothingLost({ branch: "prey", deleteBranch: true }).catch(() => undefined);
  await repository.takeIn("prey");
  await repository.startWorktree("prey").catch(() => undefined);
  await repository.removeWorktree({ branch: "next", force: false, deleteBranch: true });
  await repository.removeWorktree({ branch: "prey", force: true, deleteBranch: true });
  await repository.addWorktree({ branch: "prey", start: { kind: "commit", commit } });
  await repository.isCluttered();
  await repository.maintain();
  await repository.sweep({ keep: [] });
  await repository.recover();
}

async function prepare(name: string): Promise<Prey> {
  const { repository, first } = await workspace.cloned(name);
  const { path } = await repository.addWorktree({
    branch: "prey",
    start: { kind: "commit", commit: first },
  });
  const program = join(marks, `${name}.sh`);
  await mkdir(join(marks, name));
  await writeFile(program, `#!/bin/sh\ntouch ${join(marks, name)}/ran\n[ $# -gt 0 ] || cat\n`);
  await chmod(program, 0o755);
  return {
    repository,
    path,
    program,
    config: (text) => appendFile(join(repository.worktreeGitDir("prey"), "config"), text),
  };
}

describe("what a worker plants in its repository", () => {
  test.each(Object.keys(attacks).map((title, index) => [title, `prey-${index}`]))(
    "%s: nothing of it runs in any later call of the server",
    async (title, name) => {
      const prey = await prepare(name);
      await writeFile(join(prey.path, "README.md"), "changed by the worker\n");
      await attacks[title]!(prey);
      await rm(join(marks, name, "ran"), { force: true });

      await useAll(prey.repository, name);

      expect(await readdir(join(marks, name))).toEqual([]);
    },
  );

  // Without this, the tests above would pass with programs that can't run at all.
  test.each(["core.fsmonitor", "a filter by info/attributes", "hooks in the repository"])(
    "%s: does run in a git that reads the repository's own configuration",
    async (title) => {
      const name = `bait-${Object.keys(attacks).indexOf(title)}`;
      const prey = await prepare(name);
      await attacks[title]!(prey);
      await writeFile(join(prey.path, "README.md"), "changed by the worker\n");
      await workerGit(prey.path, "add", ".");
      expect(await readdir(join(marks, name))).toEqual(["ran"]);
    },
  );

  test("the objects of another repository, named as alternates, don't come into the clone", async () => {
    const { repository, first } = await workspace.cloned("borrowing");
    const other = await workspace.cloned("secret", { files: { password: "the password\n" } });
    await repository.addWorktree({ branch: "b", start: { kind: "commit", commit: first } });
    const own = repository.worktreeGitDir("b");
    await appendFile(join(own, "objects/info/alternates"), `${other.repository.path}/objects\n`);
    await workerGit(own, "update-ref", "refs/heads/b", other.first);
    await expect(repository.takeIn("b")).rejects.toMatchObject({ code: "HOST_FAILURE" });
    await expect(workerGit(repository.path, "cat-file", "-e", other.first)).rejects.toThrow();
    await expect(
      repository.listCommits({ branch: "b", since: null, limit: 10 }),
    ).rejects.toMatchObject({ code: "HOST_FAILURE" });
  });

  test.each([".gitignore", ".gitattributes"])(
    "a %s that seems to be of 8 GiB takes no such memory",
    async (file) => {
      const { repository, first } = await workspace.cloned(`huge${file.replaceAll(".", "-")}`);
      const { path } = await repository.addWorktree({
        branch: "b",
        start: { kind: "commit", commit: first },
      });
      await writeFile(join(path, "new.txt"), "new");
      await writeFile(join(path, file), "");
      await truncate(join(path, file), 2 ** 33);
      // git leaves out attributes that are too large, and needs room for all that is ignored.
      const state = await repository.inspectWorktree("b").catch((error: unknown) => error);
      if (file === ".gitattributes") expect(state).toMatchObject({ changedFiles: 2 });
      else expect(state).toMatchObject({ code: "HOST_FAILURE" });
    },
  );

  test("an object that is no sound one doesn't come into the clone", async () => {
    const { repository, first } = await workspace.cloned("unsound");
    const { path } = await repository.addWorktree({
      branch: "b",
      start: { kind: "commit", commit: first },
    });
    const blob = await workerGitInput(path, "x", ["hash-object", "-w", "--stdin"]);
    const inner = await workerGitInput(path, `100644 blob ${blob}\tconfig\n`, ["mktree"]);
    const tree = await workerGitInput(path, `040000 tree ${inner}\t.git\n`, ["mktree"]);
    const commit = await workerGit(path, "commit-tree", tree, "-p", first, "-m", "x");
    await workerGit(path, "update-ref", "refs/heads/b", commit);
    await expect(repository.takeIn("b")).rejects.toThrow("hasDotgit");
    expect((await repository.branches()).local.get("b")).toBe(first);
  });

  test("a symbolic link for a file of the worktree leads no checkout out of it", async () => {
    const { server } = workspace;
    await server.createRepository("acme", "links");
    const clone = await mkdtemp(join(tmpdir(), "factory-links-"));
    const target = await mkdtemp(join(tmpdir(), "factory-target-"));
    try {
      // A tree with both `folder` as a link and `folder/file`, which no honest git makes.
      const blob = await workerGitInput(clone, "evil", ["hash-object", "-w", "--stdin"]);
      const link = await workerGitInput(clone, target, ["hash-object", "-w", "--stdin"]);
      const inner = await workerGitInput(clone, `100644 blob ${blob}\tfile\n`, ["mktree"]);
      const tree = await workerGitInput(
        clone,
        `120000 blob ${link}\tfolder\n040000 tree ${inner}\tfolder\n`,
        ["mktree"],
      );
      const commit = await workerGit(clone, "commit-tree", tree, "-m", "links");
      await workerGit(
        clone,
        "push",
        "-q",
        join(server.folder, "acme/links.git"),
        `${commit}:refs/heads/evil`,
      );
      const repository = workspace.open("links");
      await repository.clone(server.url("acme", "links"));
      // git may refuse it or check out a part; either is fine, as long as nothing leaves the folder.
      await repository
        .addWorktree({ branch: "evil", start: { kind: "commit", commit } })
        .catch((error: unknown) => error);
      expect(await readdir(target)).toEqual([]);
    } finally {
      await rm(clone, { recursive: true, force: true });
      await rm(target, { recursive: true, force: true });
    }
  });
});

async function workerGitInput(cwd: string, input: string, commandLine: string[]): Promise<string> {
  await workerGit(cwd, "init", "--quiet");
  const file = join(await workerGit(cwd, "rev-parse", "--absolute-git-dir"), "input");
  await writeFile(file, input);
  const script = 'input=$1; shift; git "$@" < "$input"';
  return workerGit(cwd, "-c", `alias.run=!sh -c '${script}' run`, "run", file, ...commandLine);
}
