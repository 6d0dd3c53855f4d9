import { dirname, join } from "node:path";
import { GitFailure } from "./failure.ts";
import { moveToTrash, removeEmptyFolders, removeFolder } from "./files.ts";
import { readJournal, removeJournal, type Journal } from "./journal.ts";
import { worktreeId } from "./layout.ts";
import type { WorktreeContext } from "./worktree-context.ts";

/**
 * Undoes an addition or finishes a removal, from whatever point it was left at. Not to be aborted: half of
 * it would be another leftover. By hand instead of by `git worktree remove`, which believes the
 * administrative files that workers can write, and runs `git status` in submodules with their configuration.
 */
export async function clearWorktree(context: WorktreeContext, journal: Journal): Promise<void> {
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
      if (branchCommit !== null) await deleteBranch(context, branch, branchCommit);
      await removeEmptyFolders(dirname(folder), layout.worktrees);
    });
    await removeJournal(layout.journal(branch));
  } finally {
    for (const path of trashed) if (path !== undefined) await removeFolder(path);
  }
}

/** Clears what a killed server left of this branch's worktree, if anything. */
export async function settleWorktree(context: WorktreeContext, branch: string): Promise<void> {
  const journal = await readJournal(context.layout.journal(branch));
  if (journal !== undefined) await clearWorktree(context, journal);
}

/** Only from where it was last seen: a commit that came since is somebody's work, and stays. */
export async function deleteBranch(
  { git, place }: WorktreeContext,
  branch: string,
  commit: string,
): Promise<void> {
  try {
    await git({
      arguments: ["update-ref", "--no-deref", "-d", `refs/heads/${branch}`, commit],
      place,
    });
  } catch (error) {
    if (error instanceof GitFailure && error.words.includes("cannot lock ref")) return;
    throw error;
  }
}
