import { readCommitLog, type GitCommit } from "./commit-log.ts";
import { readBranchTip } from "./inspect-worktree.ts";
import {
  assertWorktree,
  openBranch,
  openClone,
  openWorktree,
  readCheckedOut,
  type GitSource,
  type WorktreeContext,
} from "./worktree-git.ts";

export interface HistoryInput {
  readonly branch: string;
  /** The commit after which to begin; null: at the first. */
  readonly since: string | null;
  /** The commit up to which, in the clone. Default: where the branch stands, in its worktree where it has one. */
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
  const found = await findRange(context, input);
  if (found === undefined) return [];
  return readCommitLog(found.git, found.range, { limit, signal: input.signal });
}

export async function countCommits(context: WorktreeContext, input: HistoryInput): Promise<number> {
  const found = await findRange(context, input);
  if (found === undefined) return 0;
  const output = await found.git.run({
    arguments: ["rev-list", "--count", ...found.range, "--"],
    signal: input.signal,
  });
  return Number(output);
}

async function findRange(
  context: WorktreeContext,
  { branch, since, tip: given, signal }: HistoryInput,
): Promise<{ git: GitSource; range: string[] } | undefined> {
  const git = given === undefined ? await openBranch(context, branch) : openClone(context);
  const tip = given ?? (await readBranchTip(git, branch, signal));
  if (tip === null) return undefined;
  return { git, range: since === null ? [tip] : [tip, `^${since}`] };
}

export interface Stray {
  /** Where they are; null: on no branch. */
  readonly branch: string | null;
  readonly commits: number;
  /** Whether that is checked out in the place of the worktree's branch. */
  readonly isCheckedOut: boolean;
}

/**
 * Commits made in the branch's worktree but not on that branch, nor on the remote: on what is checked out in its
 * place, else on the first other branch that has some. undefined: there are none.
 * @throws FactoryError WORKTREE_NOT_FOUND
 */
export async function findStray(
  context: WorktreeContext,
  branch: string,
  signal: AbortSignal | undefined,
): Promise<Stray | undefined> {
  await assertWorktree(context, branch);
  const git = await openWorktree(context, branch);
  const [checkedOut, refs] = await Promise.all([
    readCheckedOut(git),
    git.run({ arguments: ["for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/"], signal }),
  ]);
  const head = checkedOut ?? "";
  const branches = refs.split("\n").filter((name) => name !== "");
  const others = branches.filter((name) => name !== branch);
  const excluded = branches.includes(branch) ? [`refs/heads/${branch}`] : [];
  const count = async (tip: string) => {
    const range = [tip, "--not", ...excluded, "--remotes=origin", "--"];
    return Number(await git.run({ arguments: ["rev-list", "--count", ...range], signal }));
  };
  if (head === "" || others.includes(head)) {
    const commits = await count("HEAD");
    if (commits > 0) return { branch: head === "" ? null : head, commits, isCheckedOut: true };
  }
  for (const name of others.slice(0, mostBranches)) {
    const commits = name === head ? 0 : await count(`refs/heads/${name}`);
    if (commits > 0) return { branch: name, commits, isCheckedOut: false };
  }
  return undefined;
}

/** So many are looked at: each takes a call of git. */
const mostBranches = 20;
