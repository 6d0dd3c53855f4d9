import { dirname, join } from "node:path";
import { GitFailure } from "./failure.ts";
import { moveToTrash, removeEmptyFolders, removeTrash } from "./files.ts";
import { readJournal, removeJournal, type Journal } from "./journal.ts";
import { worktreeId } from "./layout.ts";
import type { GitCall } from "./run.ts";
import type { WorktreeContext } from "./worktree-context.ts";

/** For the deletion of the branch, which a lock may be in the way of. */
export type Patience = Pick<GitCall, "waitsForLocks" | "signal">;

/**
 * Undoes an addition or finishes a removal, from whatever point it was left at; what fails or is aborted stays in
 * the journal, for the next time. By hand instead of by `git worktree remove`, which believes the
 * administrative files that workers can write, and runs `git status` in submodules with their configuration.
 */
export async function clearWorktree(
  context: WorktreeContext,
  journal: Journal,
  patience: Patience = {},
): Promise<void> {
  const { layout } = context;
  const { branch, branchCommit } = journal;
  const folder = layout.worktree(branch);
  const trashed: (string | undefined)[] = [];
  try {
    await context.exclusively(async () => {
      for (const path of [
        folder,
        join(layout.adding, worktreeId(branch)),
        layout.worktreeGitDirectory(branch),
      ]) {
        trashed.push(await moveToTrash(path, layout.trash));
      }
      await removeEmptyFolders(dirname(folder), layout.worktrees);
    });
    // Outside of the lock: this may wait for another git's, and touches this branch alone.
    if (branchCommit !== null) await deleteBranch(context, branch, branchCommit, patience);
    await removeJournal(layout.journal(branch));
  } finally {
    for (const path of trashed) await removeTrash(path);
  }
}

/** Clears what a killed server left of this branch's worktree, if anything. */
export async function settleWorktree(
  context: WorktreeContext,
  branch: string,
  patience: Patience = {},
): Promise<void> {
  const journal = await readJournal(context.layout.journal(branch));
  if (journal !== undefined) await clearWorktree(context, journal, patience);
}

/** Only from where it was last seen: a commit that came since is somebody's work, and stays. */
async function deleteBranch(
  { git, place }: WorktreeContext,
  branch: string,
  commit: string,
  patience: Patience,
): Promise<void> {
  try {
    await git({
      arguments: ["update-ref", "--no-deref", "-d", `refs/heads/${branch}`, commit],
      place,
      ...patience,
    });
  } catch (error) {
    if (error instanceof GitFailure && error.words.includes("cannot lock ref")) return;
    throw error;
  }
}
