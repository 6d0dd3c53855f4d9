import { FactoryError } from "../errors.ts";
import { clearWorktree } from "./add-worktree.ts";
import { GitFailure } from "./failure.ts";
import { readCloneTip } from "./inspect-worktree.ts";
import { assertNothingLost } from "./losses.ts";
import { takeIn } from "./take-in.ts";
import type { WorktreeContext } from "./worktree-git.ts";

export interface RemoveWorktreeInput {
  readonly branch: string;
  /** Remove it whatever it holds. */
  readonly force: boolean;
  /** The caller has seen that nothing is lost, a moment ago. Default: false. */
  readonly isChecked?: boolean;
  /** The local branch too. */
  readonly deleteBranch: boolean;
  /** Ends the checks; a removal that has begun goes on. */
  readonly signal?: AbortSignal | undefined;
}

/** One at a time for one branch. What is gone already is no error. @throws FactoryError WORKTREE_DIRTY */
export async function removeWorktree(
  context: WorktreeContext,
  { branch, force, isChecked = false, deleteBranch, signal }: RemoveWorktreeInput,
): Promise<void> {
  if (!force && !isChecked) await assertNothingLost(context, { branch, deleteBranch, signal });
  // First: the worktree still has the branch where a kill or a failure comes between.
  if (deleteBranch) await deleteFromClone(context, branch);
  else await keepInClone(context, branch, force);
  await clearWorktree(context, branch);
}

async function keepInClone(
  context: WorktreeContext,
  branch: string,
  force: boolean,
): Promise<void> {
  try {
    await takeIn(context, branch, undefined);
  } catch (error) {
    // What a worker did to its repository is no reason to keep its files.
    if (force && (error instanceof FactoryError || error instanceof GitFailure)) return;
    throw error;
  }
}

async function deleteFromClone(context: WorktreeContext, branch: string): Promise<void> {
  const { git, place } = context;
  const tip = await readCloneTip(context, branch, undefined);
  if (tip === null) return;
  await git({
    arguments: ["update-ref", "--no-deref", "-d", `refs/heads/${branch}`, tip],
    place,
    waitsForLocks: false,
  });
}
