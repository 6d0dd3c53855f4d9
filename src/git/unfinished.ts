import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "./files.ts";

/** What stands in a git directory while an operation waits to be gone on with. Source: git's wt-status.c. */
const marks = [
  // A rebase picks commits: it comes before what it is made of.
  ["rebase-apply/applying", "git am"],
  ["rebase-apply", "a rebase"],
  ["rebase-merge", "a rebase"],
  ["MERGE_HEAD", "a merge"],
  ["CHERRY_PICK_HEAD", "a cherry-pick"],
  ["REVERT_HEAD", "a revert"],
  ["sequencer", "a cherry-pick or a revert"],
  ["BISECT_LOG", "a bisect"],
] as const;

/** An operation of git, for people. */
export type UnfinishedOperation = (typeof marks)[number][1];

/** What was begun there and neither finished nor aborted. */
export async function findUnfinished(
  gitDirectory: string,
): Promise<UnfinishedOperation | undefined> {
  const found = await Promise.all(marks.map(([mark]) => isMarked(join(gitDirectory, mark))));
  return marks[found.indexOf(true)]?.[1];
}

/** Never followed: a worker can write there. */
async function isMarked(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return false;
    throw error;
  }
}
