import { join } from "node:path";
import { FactoryError } from "../errors.ts";
import { isThere, listIfThere } from "./files.ts";
import { worktreePlace, type WorktreeContext } from "./worktree-context.ts";

export interface WorktreeState {
  /** What HEAD stands at; null: no commit yet. */
  readonly headCommit: string | null;
  /**
   * Files changed or untracked, ignored ones excepted; an untracked folder counts as one, and so does one that git
   * can't read.
   */
  readonly changedFiles: number;
  /** Of these files the first few, fit to show to a person. */
  readonly changedPaths: readonly string[];
  /** Commits of HEAD and the branch that are on no branch of the remote. */
  readonly unpushedCommits: number;
}

/** So many files and commits are named where work would be lost. */
const mostNamed = 5;
const longestName = 100;

/** @throws FactoryError WORKTREE_NOT_FOUND */
export async function inspectWorktree(
  context: WorktreeContext,
  branch: string,
  signal: AbortSignal | undefined,
): Promise<WorktreeState> {
  await assertWorktree(context, branch);
  const place = worktreePlace(context.layout, branch);
  let unreadable: string[] = [];
  const [output, submodules] = await Promise.all([
    context.git({
      arguments: [
        "status",
        "--porcelain=v2",
        "--branch",
        "-z",
        "--untracked-files=normal",
        "--no-renames",
        // More would run git in the submodule, with the configuration that a worker gave it.
        "--ignore-submodules=dirty",
      ],
      place,
      signal,
      onWarnings: (text) => (unreadable = readUnreadable(text)),
    }),
    countSubmodulesInUse(context, branch, signal),
  ]);
  const lines = output.split("\0").filter((line) => line !== "");
  const header = (name: string) =>
    lines.find((line) => line.startsWith(`# branch.${name} `))?.slice(`# branch.${name} `.length);
  const oid = header("oid");
  const headCommit = oid === undefined || oid === "(initial)" ? null : oid;
  const branchTip = header("head") === branch ? null : await readBranchTip(context, branch, signal);
  const changed = lines.filter((line) => !line.startsWith("# "));
  return {
    headCommit,
    changedFiles: changed.length + submodules + unreadable.length,
    changedPaths: [...changed.slice(0, mostNamed).map(pathIn), ...unreadable]
      .slice(0, mostNamed)
      .map(shown),
    unpushedCommits: await countUnpushed(
      context,
      [headCommit, branchTip].filter((tip) => tip !== null),
      signal,
    ),
  };
}

/** @throws FactoryError WORKTREE_NOT_FOUND */
export async function assertWorktree({ layout }: WorktreeContext, branch: string): Promise<void> {
  const [folder, entry] = await Promise.all([
    isThere(layout.worktree(branch)),
    isThere(layout.worktreeGitDirectory(branch)),
  ]);
  if (folder && entry) return;
  throw new FactoryError(
    "WORKTREE_NOT_FOUND",
    `the worktree of ${branch} is not in its place: it was removed behind the server's back, or never made`,
  );
}

export async function countUnpushed(
  { git, place }: WorktreeContext,
  tips: readonly string[],
  signal: AbortSignal | undefined,
): Promise<number> {
  if (tips.length === 0) return 0;
  const output = await git({
    arguments: ["rev-list", "--count", ...tips, "--not", "--remotes=origin", "--"],
    place,
    signal,
  });
  return Number(output);
}

/** The latest few of the unpushed commits, newest first: abbreviated id and subject, fit to show to a person. */
export async function nameUnpushed(
  context: WorktreeContext,
  branch: string,
  headCommit: string | null,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const tips = [headCommit, await readBranchTip(context, branch, signal)];
  const output = await context.git({
    arguments: [
      "log",
      `--max-count=${String(mostNamed)}`,
      "--no-show-signature",
      "--format=%h %s",
      ...tips.filter((tip) => tip !== null),
      "--not",
      "--remotes=origin",
      "--",
    ],
    place: context.place,
    signal,
  });
  return output
    .split("\n")
    .filter((line) => line !== "")
    .map(shown);
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

/** What a worker named may hold what moves a terminal's cursor, or be very long. */
function shown(name: string): string {
  const text = name.replace(/[\p{Cc}\p{Cf}]/gu, "\uFFFD");
  return text.length <= longestName ? text : `${text.slice(0, longestName - 1).toWellFormed()}…`;
}

/** null: there is no such local branch. */
export async function readBranchTip(
  { git, place }: WorktreeContext,
  branch: string,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  const ref = `refs/heads/${branch}`;
  const output = await git({
    arguments: ["for-each-ref", "--format=%(objectname) %(refname)", ref],
    place,
    signal,
  });
  // The pattern also stands for a folder of that name.
  const line = output.split("\n").find((text) => text.endsWith(` ${ref}`));
  return line?.split(" ")[0] ?? null;
}

/**
 * Submodules with files in them. What was done there can't be told without running git by their own
 * configuration, so each counts as a change.
 */
async function countSubmodulesInUse(
  { git, layout }: WorktreeContext,
  branch: string,
  signal: AbortSignal | undefined,
): Promise<number> {
  const root = layout.worktree(branch);
  const mayHaveSome = await Promise.all([
    isThere(join(root, ".gitmodules")),
    isThere(join(layout.worktreeGitDirectory(branch), "modules")),
  ]);
  if (!mayHaveSome.includes(true)) return 0;
  const output = await git({
    arguments: ["ls-files", "--stage", "-z"],
    place: worktreePlace(layout, branch),
    signal,
  });
  let count = 0;
  for (const line of output.split("\0")) {
    if (!line.startsWith("160000 ")) continue;
    const files = await listIfThere(join(root, line.slice(line.indexOf("\t") + 1)));
    if (files !== undefined && files.length > 0) count += 1;
  }
  return count;
}
