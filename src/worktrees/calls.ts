// What is asked of the runner that holds a worktree.
import type { WorktreeDiff, WorktreeState } from "../git/git.ts";
import { runnerMethod } from "../runners/calls.ts";

export interface WorktreeIdInput {
  readonly worktreeId: string;
}

export const createMethod = runnerMethod<
  { repositoryId: string; branch: string; base: string | null },
  { worktreeId: string; created: boolean }
>("worktrees.create");
export const removeMethod = runnerMethod<
  WorktreeIdInput & { force: boolean; deleteBranch: boolean },
  { removed: boolean }
>("worktrees.remove");
/** With all its worktrees, on whichever runner. */
export const deleteRepositoryMethod = runnerMethod<
  { owner: string; name: string; force: boolean },
  { repositoryId: string }
>("worktrees.deleteRepository");
/** null in each: it isn't checked out. */
export const inspectMethod = runnerMethod<WorktreeIdInput, { state: WorktreeState | null }>(
  "worktrees.inspect",
);
export const commitsAheadMethod = runnerMethod<WorktreeIdInput, { count: number | null }>(
  "worktrees.commitsAhead",
);
export const diffMethod = runnerMethod<WorktreeIdInput, { diff: WorktreeDiff | null }>(
  "worktrees.diff",
);
