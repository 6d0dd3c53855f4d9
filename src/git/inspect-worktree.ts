import { join } from "node:path";
import { findAsCheckedOut } from "./as-checked-out.ts";
import { GitFailure } from "./failure.ts";
import { isThere } from "./files.ts";
import { shown, toText } from "./shown.ts";
import { findSubmodulesInUse } from "./submodules.ts";
import { findUnfinished, type UnfinishedOperation } from "./unfinished.ts";
import {
  assertWorktree,
  isWhole,
  openClone,
  openWorktree,
  type GitSource,
  type WorktreeContext,
  type WorktreeGit,
} from "./worktree-git.ts";

export interface WorktreeState {
  /** Whether its folder names its repository: else its worker has removed that, or put another one in its place. */
  readonly isWhole: boolean;
  /** What the branch stands at; null: no commit yet, or no such branch any more. */
  readonly headCommit: string | null;
  /** Files changed or untracked, ignored ones excepted, submodules with work of their own, and what git can't read. */
  readonly changedFiles: number;
  /** Of these the first few, fit to show to a person. */
  readonly changedPaths: readonly string[];
  /** Entries of the stash. */
  readonly stashes: number;
  /** What was begun and neither finished nor aborted. */
  readonly unfinished: UnfinishedOperation | null;
}

/** So many files and commits are named where work would be lost. */
export const mostNamed = 5;

/** @throws FactoryError WORKTREE_NOT_FOUND */
export async function inspectWorktree(
  context: WorktreeContext,
  branch: string,
  signal: AbortSignal | undefined,
  { looksForSubmodules = false } = {},
): Promise<WorktreeState> {
  await assertWorktree(context, branch);
  const git = await openWorktree(context, branch);
  const listSubmodules = async () =>
    looksForSubmodules || (await hasSubmodules(git))
      ? findSubmodulesInUse(context, git, signal)
      : [];
  const [whole, status, unfinished, submodules] = await Promise.all([
    isWhole(context, branch),
    readStatus(git, signal),
    findUnfinished(git.gitDirectory),
    listSubmodules(),
  ]);
  const known = new Set(status.changedPaths);
  const further = submodules.filter((path) => !known.has(path));
  return {
    isWhole: whole,
    headCommit:
      status.branch === branch ? status.headCommit : await readBranchTip(git, branch, signal),
    changedFiles: status.changedFiles + further.length,
    changedPaths: [...status.changedPaths, ...further].slice(0, mostNamed).map(shown),
    stashes: status.stashes,
    unfinished: unfinished ?? null,
  };
}

async function hasSubmodules({ gitDirectory, workTree }: WorktreeGit): Promise<boolean> {
  const signs = [join(workTree, ".gitmodules"), join(gitDirectory, "modules")];
  return (await Promise.all(signs.map(isThere))).includes(true);
}

export interface Status {
  /** Which is checked out; null: none. */
  readonly branch: string | null;
  readonly headCommit: string | null;
  readonly changedFiles: number;
  /** The first few. */
  readonly changedPaths: readonly string[];
  readonly stashes: number;
}

/** Of files whose content git takes for changed, so many are compared with what a checkout writes. */
const mostCompared = 2_000;

export async function readStatus(
  git: WorktreeGit,
  signal: AbortSignal | undefined,
): Promise<Status> {
  const headers = new Map<string, string>();
  /** In git's order: of those that need no comparison the first few. */
  const paths: string[] = [];
  const modified = new Set<string>();
  let others = 0;
  let rest = "";
  const take = (line: string) => {
    const header = /^# (\S+) (.*)$/s.exec(line);
    if (header !== null) {
      headers.set(header[1] ?? "", header[2] ?? "");
      return;
    }
    const isCompared = isContentChange(line) && modified.size < mostCompared;
    if (isCompared) modified.add(pathIn(line));
    else others += 1;
    if (isCompared || others <= mostNamed) paths.push(pathIn(line));
  };
  let unreadable: string[] = [];
  await git.runInFiles({
    arguments: [
      "status",
      "--porcelain=v2",
      "--branch",
      "--show-stash",
      "-z",
      "--untracked-files=all",
      "--no-renames",
      // More would run git in the submodule, with the configuration that a worker gave it.
      "--ignore-submodules=dirty",
    ],
    signal,
    onOutput(chunk) {
      // Each byte a character: a path need not be UTF-8.
      const lines = (rest + chunk.toString("latin1")).split("\0");
      rest = lines.pop() ?? "";
      for (const line of lines) take(line);
      return true;
    },
    onWarnings: (text) => (unreadable = readUnreadable(text)),
  });
  const same = await findAsCheckedOut(git, [...modified], signal);
  const named = paths.filter((path) => !same.has(path)).slice(0, mostNamed);
  const oid = headers.get("branch.oid");
  const head = headers.get("branch.head");
  return {
    branch: head === undefined || head === "(detached)" ? null : toText(head),
    headCommit: oid === undefined || oid === "(initial)" ? null : oid,
    changedFiles: others + modified.size - same.size + unreadable.length,
    changedPaths: [...named.map(toText), ...unreadable].slice(0, mostNamed),
    stashes: Number(headers.get("stash") ?? 0),
  };
}

/** A file with the mode that the index has, of which git says that its content is another. Source: git-status(1). */
function isContentChange(line: string): boolean {
  const [kind, change, submodule, , ofIndex, ofFile] = line.split(" ");
  return kind === "1" && change === ".M" && submodule === "N..." && ofIndex === ofFile;
}

/** Of a line of `git status --porcelain=v2 -z`: its path stands behind a number of fields. Source: git-status(1). */
function pathIn(line: string): string {
  const fields = { "1": 8, u: 10, "?": 1 }[line.slice(0, 1)] ?? 1;
  return line.split(" ").slice(fields).join(" ");
}

/**
 * What git could not look into, and so says nothing more of: a path that is too long for the system, a folder that
 * its owner has closed. There may be work in it. Source: open_cached_dir of dir.c in git's sources.
 */
function readUnreadable(warnings: string): string[] {
  const paths: string[] = [];
  for (const line of warnings.split("\n")) {
    // git cuts its lines at 4 KiB, and so the path's end and the reason behind it.
    const path = /^warning: could not open directory '(.*?)(?:\/?': .*)?$/.exec(line)?.[1];
    // That one was removed between two looks.
    if (path !== undefined && !line.endsWith(": No such file or directory")) paths.push(path);
  }
  return paths;
}

/** null: there is no such branch. */
export async function readBranchTip(
  git: GitSource,
  branch: string,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  const ref = `refs/heads/${branch}`;
  const output = await git.run({
    arguments: ["for-each-ref", "--format=%(objectname) %(refname)", ref],
    signal,
  });
  // The pattern also stands for a folder of that name.
  const line = output.split("\n").find((text) => text.endsWith(` ${ref}`));
  return line?.split(" ")[0] ?? null;
}

/** The commit that HEAD stands at; null: none yet. */
export async function readHead(
  git: GitSource,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  try {
    const names = ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"];
    return (await git.run({ arguments: names, signal })).trim();
  } catch (error) {
    if (error instanceof GitFailure && error.words === "") return null;
    throw error;
  }
}

/** Where the clone's branch stands; null: it has none. */
export function readCloneTip(
  context: WorktreeContext,
  branch: string,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  return readBranchTip(openClone(context), branch, signal);
}
