import { readBranchTip } from "./inspect-worktree.ts";
import type { HistoryInput } from "./history.ts";
import { emptyTree } from "./layout.ts";
import { openBranch, openClone, type WorktreeContext } from "./worktree-git.ts";

/** A binary file counts as a file, and has no lines. */
export interface ChangeCounts {
  readonly filesChanged: number;
  readonly insertions: number;
  readonly deletions: number;
}

/** null: there is no such branch. */
export async function countChanges(
  context: WorktreeContext,
  { branch, since, tip: given, signal }: HistoryInput,
): Promise<ChangeCounts | null> {
  const git = given === undefined ? await openBranch(context, branch) : openClone(context);
  const tip = given ?? (await readBranchTip(git, branch, signal));
  if (tip === null) return null;
  if (tip === since) return { filesChanged: 0, insertions: 0, deletions: 0 };
  const output = await git.run({
    arguments: diffArguments("--shortstat", [since ?? emptyTree, tip]),
    signal,
  });
  return parseCounts(output);
}

/** @param between one commit: from it to the working tree; two: from the first to the second */
export function diffArguments(format: string, between: readonly string[]): string[] {
  return [
    "diff",
    format,
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--find-renames",
    "--ignore-submodules=dirty",
    ...between,
    "--",
  ];
}

/** " 3 files changed, 5 insertions(+), 2 deletions(-)", each part only where it isn't 0. */
export function parseCounts(line: string): ChangeCounts {
  const count = (pattern: RegExp) => Number(pattern.exec(line)?.[1] ?? 0);
  return {
    filesChanged: count(/(\d+) files? changed/),
    insertions: count(/(\d+) insertions?\(\+\)/),
    deletions: count(/(\d+) deletions?\(-\)/),
  };
}
