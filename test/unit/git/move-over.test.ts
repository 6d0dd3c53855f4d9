// A FACTORY_HOME as an earlier version has left it, whose worktrees shared the clone's repository.
import { appendFile, mkdir, readFile, readdir, rename, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { worktreeId } from "../../../src/git/layout.ts";
import { createWorkspace, workerGit, type Workspace } from "./workspace.ts";

let workspace: Workspace;

beforeAll(async () => {
  workspace = await createWorkspace();
});
afterAll(async () => {
  await workspace.close();
});

const begin = () => Promise.resolve();

/** The clone, its control folder, and linked worktrees as that version made them. */
async function makeOlder(name: string, branches: readonly string[]) {
  const { server, home } = workspace;
  const first = await server.createRepository("acme", name);
  const url = server.url("acme", name);
  const bare = join(home, "repositories", server.host, "acme", `${name}.git`);
  const control = join(home, "control", server.host, "acme", `${name}.git`);
  await mkdir(dirname(bare), { recursive: true });
  await workerGit(home, "clone", "--quiet", "--bare", url, bare);
  await workerGit(bare, "config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*");
  await workerGit(bare, "fetch", "--quiet");
  await workerGit(bare, "branch", "-D", "main");
  await mkdir(join(control, "journal"), { recursive: true });
  await writeFile(join(control, "config"), `[remote "origin"]\n\turl = "${url}"\n`);
  await symlink(
    join("../../../../repositories", server.host, "acme", `${name}.git`, "refs"),
    join(control, "refs"),
  );
  const paths: string[] = [];
  for (const branch of branches) {
    const path = join(home, "worktrees/acme", name, branch);
    const making = join(control, "adding", worktreeId(branch));
    await mkdir(dirname(path), { recursive: true });
    await workerGit(
      bare,
      "worktree",
      "add",
      "-q",
      "--no-track",
      "-b",
      branch,
      making,
      "origin/main",
    );
    await rename(making, path);
    const entry = join(bare, "worktrees", worktreeId(branch));
    await writeFile(join(entry, "gitdir"), `${path}/.git\n`);
    paths.push(path);
  }
  return { bare, control, paths, first, repository: workspace.open(name) };
}

test("is taken over with all work, and can be worked in as before", async () => {
  const older = await makeOlder("older", ["feat/a", "b", "c"]);
  const { bare, control, paths, repository } = older;
  const [a = "", b = "", c = ""] = paths;
  await writeFile(join(a, "README.md"), "changed\n");
  await writeFile(join(a, "new.txt"), "new\n");
  await writeFile(join(a, "staged.txt"), "staged\n");
  await workerGit(a, "add", "staged.txt");
  await workerGit(b, "commit", "-q", "--allow-empty", "-m", "Mine");
  const mine = await workerGit(b, "rev-parse", "HEAD");
  await workerGit(b, "switch", "-q", "-c", "side");
  await workerGit(b, "commit", "-q", "--allow-empty", "-m", "Aside");
  const aside = await workerGit(b, "rev-parse", "HEAD");
  await writeFile(join(c, "README.md"), "stashed\n");
  await workerGit(c, "stash", "-q");
  await workerGit(c, "-c", "sequence.editor=echo break >", "rebase", "-q", "-i", "HEAD");
  await appendFile(join(bare, "config"), "[commit]\n\tgpgsign = true\n");
  await writeFile(join(bare, "hooks/pre-commit"), "exit 1\n");
  const before = await workerGit(a, "status", "--porcelain");

  const git = workspace.restart();
  await git.moveOver(begin);
  await git.recover();

  expect(await readdir(join(bare, "worktrees"))).toEqual([]);
  await expect(readdir(control)).rejects.toThrow();
  expect(await workerGit(a, "status", "--porcelain")).toBe(before);
  expect(await workerGit(a, "rev-parse", "--absolute-git-dir")).toBe(
    repository.worktreeGitDir("feat/a"),
  );
  expect(await repository.inspectWorktree("feat/a")).toMatchObject({ changedFiles: 3 });
  expect(await workerGit(b, "branch", "--show-current")).toBe("side");
  expect(await workerGit(b, "rev-parse", "b", "side")).toBe(`${mine}\n${aside}`);
  await expect(
    repository.removeWorktree({ branch: "b", force: false, deleteBranch: true }),
  ).rejects.toMatchObject({ facts: { unpushedCommits: 2 } });
  expect(await repository.inspectWorktree("c")).toMatchObject({ unfinished: "a rebase" });
  // One for all of them: it stays where it was.
  expect(await repository.findUnpushedBranches()).toEqual(["b", "side", "stash"]);
  await workerGit(a, "commit", "-q", "-m", "Staged");
  expect(await repository.takeIn("feat/a")).toBe(await workerGit(a, "rev-parse", "HEAD"));
  expect(await readFile(join(a, "new.txt"), "utf8")).toBe("new\n");
  await git.moveOver(begin);
  expect(await workerGit(a, "log", "-1", "--format=%s")).toBe("Staged");
});

test("that can't be is refused with the reason, and stays as it is", async () => {
  const { bare, paths } = await makeOlder("submodules", ["b"]);
  const modules = join(bare, "worktrees", worktreeId("b"), "modules");
  await mkdir(join(modules, "x"), { recursive: true });
  const git = workspace.restart();
  const begun: string[] = [];
  const moving = git.moveOver(() => {
    begun.push("begun");
    return Promise.resolve();
  });
  await expect(moving).rejects.toMatchObject({
    code: "HOST_FAILURE",
    message: expect.stringContaining("has submodules"),
  });
  expect(begun).toEqual([]);
  expect(await workerGit(paths[0]!, "status", "--porcelain")).toBe("");
});

test("that was stopped in the middle is gone on with", async () => {
  const { bare, control, paths, repository, first } = await makeOlder("stopped", ["b", "half"]);
  await rename(
    join(workspace.home, "control", workspace.server.host, "acme/submodules.git"),
    join(workspace.home, "aside"),
  );
  await writeFile(join(paths[0]!, "new.txt"), "new\n");
  // An addition that the earlier version was killed in.
  await writeFile(
    join(control, "journal/half.json"),
    JSON.stringify({ branch: "half", doing: "add", branchCommit: first }),
  );
  // As a kill leaves it that came before the entry was gone.
  await mkdir(repository.worktreeGitDir("b"), { recursive: true });
  await workspace.restart().moveOver(begin);
  expect(await workerGit(paths[0]!, "status", "--porcelain")).toBe("?? new.txt");
  expect(await readdir(join(bare, "worktrees"))).toEqual([]);
  expect([...(await repository.branches()).local.keys()]).toEqual(["b"]);
  await expect(readdir(paths[1]!)).rejects.toThrow();
});
