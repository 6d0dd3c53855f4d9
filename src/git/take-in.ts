// A worktree's branch comes into the clone, with all that leads to it, checked.
import { isThere } from "./files.ts";
import { readBranchTip, readCloneTip } from "./inspect-worktree.ts";
import { openWorktree, type WorktreeContext } from "./worktree-git.ts";

const transferTimeoutMs = 10 * 60_000;

/**
 * Brings the clone's branch to where the worktree's own repository has it, whatever stood there before. A branch that
 * the worktree doesn't have any more stays as it is in the clone. Resolves with where the worktree has it, or the
 * clone where there is no worktree; null: nowhere.
 * @throws FactoryError HOST_FAILURE; GitFailure where its objects are no sound ones
 */
export async function takeIn(
  context: WorktreeContext,
  branch: string,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  if (!(await isThere(context.layout.ownRepository(branch))))
    return readCloneTip(context, branch, signal);
  const worktree = await openWorktree(context, branch);
  const [tip, before] = await Promise.all([
    readBranchTip(worktree, branch, signal),
    readCloneTip(context, branch, signal),
  ]);
  if (tip === null || tip === before) return tip;
  const refspec = `+refs/heads/${branch}:refs/heads/${branch}`;
  const timeoutMs = transferTimeoutMs;
  await worktree.fetchIntoClone(refspec, { timeoutMs, waitsForLocks: true, signal });
  // It may have moved on meanwhile.
  return readCloneTip(context, branch, signal);
}
