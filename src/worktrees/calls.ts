// What is asked of the runner that holds a worktree.
import type { WorktreeDiff, WorktreeState } from "../git/git.ts";
import { runnerMethod } from "../runners/calls.ts";

export interface WorktreeIdInput {
  readonly worktreeId: string;
}

/** Whose question it is: that of a token, or of the server itself, which waits as long as it takes. */
export type AskerKind = "operator" | "worker" | "server";

export interface LiveInput extends WorktreeIdInput {
  readonly asker: AskerKind;
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
export const inspectMethod = runnerMethod<LiveInput, { state: WorktreeState | null }>(
  "worktrees.inspect",
);
export const commitsAheadMethod = runnerMethod<LiveInput, { count: number | null }>(
  "worktrees.commitsAhead",
);
export const diffMethod = runnerMethod<LiveInput, { diff: WorktreeDiff | null }>("worktrees.diff");
