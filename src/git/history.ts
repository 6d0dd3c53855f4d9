import { readCommitLog, type GitCommit } from "./commit-log.ts";
import { assertWorktree, readBranchTip } from "./inspect-worktree.ts";
import { worktreePlace, type WorktreeContext } from "./worktree-context.ts";

export interface HistoryInput {
  readonly branch: string;
  /** The commit after which to begin; null: at the first. */
  readonly since: string | null;
  /** The commit up to which. Default: where the branch stands. */
  readonly tip?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ListCommitsInput extends HistoryInput {
  /** How many at most: the newest. */
  readonly limit: number;
}

/** Oldest first; none where the branch has no commit. */
export async function listCommits(
  context: WorktreeContext,
  { limit, ...input }: ListCommitsInput,
): Promise<GitCommit[]> {
  const range = await toRange(context, input);
  if (range === undefined) return [];
  return readCommitLog(context.git, context.place, range, { limit, signal: input.signal });
}

export async function countCommits(context: WorktreeContext, input: HistoryInput): Promise<number> {
  const range = await toRange(context, input);
  if (range === undefined) return 0;
  const output = await context.git({
    arguments: ["rev-list", "--count", ...range, "--"],
    place: context.place,
    signal: input.signal,
  });
  return Number(output);
}

export interface Stray {
  /** What is checked out instead; null: a commit, and no branch. */
  readonly branch: string | null;
  readonly commits: number;
}

/**
 * Commits made in the branch's worktree but not on that branch: whoever works there has left it. Those that are on
 * the remote, or on another branch than what is checked out, are somebody else's. undefined: there are none.
 * @throws FactoryError WORKTREE_NOT_FOUND
 */
export async function findStray(
  context: WorktreeContext,
  branch: string,
  signal: AbortSignal | undefined,
): Promise<Stray | undefined> {
  await assertWorktree(context, branch);
  const place = worktreePlace(context.layout, branch);
  const shown = await context.git({ arguments: ["branch", "--show-current"], place, signal });
  const head = shown.trim();
  if (head === branch) return undefined;
  const own = head === "" ? null : head;
  const tip = own === null ? "HEAD" : await readBranchTip(context, own, signal);
  if (tip === null) return undefined;
  const output = await context.git({
    arguments: [
      "rev-list",
      "--count",
      tip,
      "--not",
      ...(own === null ? [] : [`--exclude=${own}`]),
      "--branches",
      "--remotes=origin",
      "--",
    ],
    place,
    signal,
  });
  const commits = Number(output);
  return commits === 0 ? undefined : { branch: own, commits };
}

async function toRange(
  context: WorktreeContext,
  { branch, since, tip: given, signal }: HistoryInput,
): Promise<string[] | undefined> {
  const tip = given ?? (await readBranchTip(context, branch, signal));
  if (tip === null) return undefined;
  return since === null ? [tip] : [tip, `^${since}`];
}
