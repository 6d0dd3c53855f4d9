// What a worktree for a branch starts from: see "Branches" in the README.
import { FactoryError } from "../errors.ts";
import type { Repository } from "../generated/prisma/client.ts";
import type { GitRepository, StartPoint } from "../git/git.ts";
import { findBranchConflict } from "../git/names.ts";

export interface WorktreePlan {
  readonly start: StartPoint;
  /** The ref that the worktree is branched from; null in a repository without commits. */
  readonly base: string | null;
  readonly baseCommit: string | null;
  /** Whether the branch was there before. */
  readonly branchExists: boolean;
}

export interface PlanInput {
  readonly branch: string;
  readonly base: string | undefined;
  /** Where the branch exists, take it up wherever it stands, whatever the base. */
  readonly baseIfNew: boolean;
  /** Branches of worktrees that have a row but perhaps no ref yet. */
  readonly taken: readonly string[];
}

/** @throws FactoryError BRANCH_CONFLICT, BRANCH_EXISTS, BASE_NOT_FOUND */
export async function planWorktree(
  git: GitRepository,
  repository: Repository,
  { branch, base, baseIfNew, taken }: PlanInput,
): Promise<WorktreePlan> {
  const { local, remote } = await git.branchesNear(branch);
  assertNoBranchConflict(branch, [...taken, ...local.keys(), ...remote.keys()]);

  const localTip = local.get(branch);
  const tip = localTip ?? remote.get(branch);
  if (tip !== undefined) {
    if (base !== undefined && !baseIfNew && (await git.resolveBase(base)).commit !== tip) {
      throw new FactoryError(
        "BRANCH_EXISTS",
        `the branch ${branch} exists, at ${tip.slice(0, 12)}, which is not where base ${base} is: leave base out to take the branch up, or choose another branch`,
      );
    }
    const start: StartPoint =
      localTip === undefined ? { kind: "commit", commit: tip } : { kind: "local" };
    return { start, base: branch, baseCommit: tip, branchExists: true };
  }

  if (base !== undefined) {
    const { ref, commit } = await git.resolveBase(base);
    return {
      start: { kind: "commit", commit },
      base: ref,
      baseCommit: commit,
      branchExists: false,
    };
  }
  const { defaultBranch, headCommit } = repository;
  if (headCommit === null) {
    const all = await git.branches();
    if (all.remote.size > 0) throw noDefaultBranch(all.remote.keys());
    return { start: { kind: "unborn" }, base: null, baseCommit: null, branchExists: false };
  }
  return {
    start: { kind: "commit", commit: headCommit },
    base: defaultBranch,
    baseCommit: headCommit,
    branchExists: false,
  };
}

/** Work that begins without what is there would be of no use: its history has nothing in common with the remote's. */
function noDefaultBranch(branches: Iterable<string>): FactoryError {
  const [first = ""] = branches;
  return new FactoryError(
    "BASE_NOT_FOUND",
    `the remote has branches, but its default branch is none of them: give a base, such as ${first}`,
  );
}

/** @throws FactoryError BRANCH_CONFLICT */
export function assertNoBranchConflict(branch: string, existing: Iterable<string>): void {
  const conflict = findBranchConflict(branch, existing);
  if (conflict === undefined) return;
  throw new FactoryError(
    "BRANCH_CONFLICT",
    conflict.kind === "case"
      ? `the branch ${branch} differs from ${conflict.existing} in case alone, which many file systems can't keep apart: choose another name`
      : `git can't hold the branch ${branch} beside ${conflict.existing}: one's name is a folder of the other's; choose another name`,
  );
}
