import type { Layout } from "./layout.ts";
import type { GitPlace, GitRunner } from "./run.ts";

/** What the steps on one repository's worktrees share. */
export interface WorktreeContext {
  readonly git: GitRunner;
  readonly layout: Layout;
  /** The repository, by way of the control folder. */
  readonly place: GitPlace;
  /** Alone among all changes to this repository's worktrees. */
  exclusively<T>(action: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** The place of calls that work on one worktree's HEAD, index and files. */
export function worktreePlace(
  layout: Layout,
  branch: string,
): Required<Omit<GitPlace, "indexFile">> {
  return {
    gitDirectory: layout.worktreeGitDirectory(branch),
    commonDirectory: layout.control,
    workTree: layout.worktree(branch),
  };
}
