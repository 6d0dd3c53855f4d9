// Submodules with work in them. Each is looked into as the worktree itself is, never by its own configuration.
import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { FactoryError } from "../errors.ts";
import { createControl } from "./control.ts";
import { GitFailure } from "./failure.ts";
import { isThere, listIfThere, readIfSound, readText, removeFolder } from "./files.ts";
import { readStatus } from "./inspect-worktree.ts";
import { findUnfinished } from "./unfinished.ts";
import { openUntrusted, type WorktreeContext, type WorktreeGit } from "./worktree-git.ts";

const deepest = 8;

/**
 * Paths of those that hold files which are changed, or are no repository's, and of those with commits that are on no
 * branch of their remote, with a stash, or in the middle of something.
 */
export async function findSubmodulesInUse(
  context: WorktreeContext,
  git: WorktreeGit,
  signal: AbortSignal | undefined,
  depth = 0,
): Promise<string[]> {
  const output = await git.runInFiles({ arguments: ["ls-files", "--stage", "-z"], signal });
  const paths = output
    .split("\0")
    .filter((line) => line.startsWith("160000 "))
    .map((line) => line.slice(line.indexOf("\t") + 1));
  const inUse = await Promise.all(paths.map((path) => isInUse(context, git, path, signal, depth)));
  return paths.filter((_path, index) => inUse[index]);
}

async function isInUse(
  context: WorktreeContext,
  parent: WorktreeGit,
  path: string,
  signal: AbortSignal | undefined,
  depth: number,
): Promise<boolean> {
  const workTree = join(parent.workTree, path);
  const files = await listIfThere(workTree);
  if (files === undefined || files.length === 0) return false;
  const gitDirectory = await findGitDirectory(parent, workTree);
  if (gitDirectory === undefined || depth === deepest) return true;
  const { making } = context.layout;
  const control = join(making, randomUUID());
  try {
    await createControl({
      control,
      making,
      configuration: await readText(join(context.layout.repository, "config")),
      gitDirectory,
      head: "ref: refs/heads/main\n",
    });
    const scratch = join(control, "scratch");
    await mkdir(scratch, { mode: 0o700 });
    const git = await openUntrusted(context, {
      gitDirectory,
      control,
      workTree,
      written: parent.written,
      scratch,
      borrowed: undefined,
    });
    return await hasWork(context, git, signal, depth);
  } catch (error) {
    // What can't be read may be work.
    if (error instanceof GitFailure || error instanceof FactoryError) return true;
    throw error;
  } finally {
    await removeFolder(control);
  }
}

/** undefined: it is none, or another one's. */
async function findGitDirectory(
  { gitDirectory }: WorktreeGit,
  workTree: string,
): Promise<string | undefined> {
  const place = join(workTree, ".git");
  const gitFile = await readIfSound(place);
  if (gitFile === undefined) return (await isThere(join(place, "HEAD"))) ? place : undefined;
  const named = /^gitdir: (.+)\n?$/.exec(gitFile)?.[1];
  if (named === undefined) return undefined;
  const modules = join(gitDirectory, "modules");
  const found = resolve(workTree, named);
  const isOurs = !relative(modules, found).startsWith(`..${sep}`) && found !== modules;
  return isOurs ? found : undefined;
}

async function hasWork(
  context: WorktreeContext,
  git: WorktreeGit,
  signal: AbortSignal | undefined,
  depth: number,
): Promise<boolean> {
  const count = ["rev-list", "--count", "HEAD", "--branches", "--not", "--remotes", "--"];
  const [{ changedFiles, stashes }, unfinished, commits, inner] = await Promise.all([
    readStatus(git, signal),
    findUnfinished(git.gitDirectory),
    git.run({ arguments: count, signal }),
    findSubmodulesInUse(context, git, signal, depth + 1),
  ]);
  return (
    changedFiles > 0 ||
    stashes > 0 ||
    unfinished !== undefined ||
    Number(commits) > 0 ||
    inner.length > 0
  );
}
