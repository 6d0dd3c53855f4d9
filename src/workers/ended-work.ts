// What a session leaves at its end, read once: what is counted here is what is pushed and recorded.
import { counted } from "../counted.ts";
import { FactoryError } from "../errors.ts";
import type {
  ChangeCounts,
  GitCommit,
  GitRepository,
  SettledReader,
  Stray,
  WorktreeState,
} from "../git/git.ts";
import { askGit, type AskGitDependencies, type CommittingSession } from "./ask-git.ts";
import { mostCommits } from "./commits.ts";

export interface EndedWork {
  /** What the session's branch stands at; null: there is no such branch; undefined: git could not tell. */
  readonly tip: string | null | undefined;
  /** The latest of them, oldest first. */
  readonly commits: readonly GitCommit[];
  /** All of them; null: unknown. */
  readonly commitCount: number | null;
  /** null: unknown. */
  readonly changes: ChangeCounts | null;
  /** What was committed beside the session's branch. */
  readonly stray: Stray | undefined;
  /** null: its worktree is gone; undefined: git could not tell. */
  readonly state: WorktreeState | null | undefined;
  readonly branch: string;
}

/** Once all processes of the session have ended. */
export async function readEndedWork(
  deps: AskGitDependencies,
  session: CommittingSession,
): Promise<EndedWork> {
  const { branch, worktreeId } = session;
  let reader: SettledReader | undefined;
  const settled = (git: GitRepository) => (reader ??= git.settled());
  // From here on it is in the clone, whatever becomes of the worktree.
  const tip = await askGit(deps, session, (git) => settled(git).takeIn(branch));
  const [added, stray, state] = await Promise.all([
    readAdded(deps, session, tip),
    askGit(deps, session, (git) => settled(git).findStray(branch)),
    worktreeId === null
      ? null
      : askGit(deps, session, (git) => settled(git).inspectWorktree(branch).catch(nullWhereGone)),
  ]);
  return { tip, ...added, stray, state, branch };
}

async function readAdded(
  deps: AskGitDependencies,
  session: CommittingSession,
  tip: string | null | undefined,
): Promise<Pick<EndedWork, "commits" | "commitCount" | "changes">> {
  const { branch, startCommit: since } = session;
  if (tip === null && since === null) return { commits: [], commitCount: 0, changes: null };
  // A branch that was deleted had something.
  if (tip === null || tip === undefined) return { commits: [], commitCount: null, changes: null };
  const range = { branch, since, tip };
  const [commits, changes] = await Promise.all([
    tip === since
      ? []
      : askGit(deps, session, (git) => git.listCommits({ ...range, limit: mostCommits })),
    askGit(deps, session, (git) => git.countChanges(range)),
  ]);
  const commitCount =
    commits === undefined || commits.length < mostCommits
      ? commits?.length
      : await askGit(deps, session, (git) => git.countCommits(range));
  return { commits: commits ?? [], commitCount: commitCount ?? null, changes: changes ?? null };
}

function nullWhereGone(error: unknown): null {
  if (error instanceof FactoryError && error.code === "WORKTREE_NOT_FOUND") return null;
  throw error;
}

/** Of a session that has succeeded, all that its branch alone doesn't show; fit to show to a person. */
export function describeShortfalls(work: EndedWork): string[] {
  const { stray, state, commitCount, branch } = work;
  const shortfalls = [
    ...describeUnfinished(work),
    ...describeBroken(state),
    ...(stray === undefined ? [] : [describeStray(stray, branch)]),
    ...describeUncommitted(state),
  ];
  if (shortfalls.length > 0 || commitCount !== 0) return shortfalls;
  return ["no commits were made"];
}

export function describeUnfinished({ state }: EndedWork): string[] {
  const unfinished = state?.unfinished ?? null;
  return unfinished === null ? [] : [`it ended in the middle of ${unfinished}`];
}

function describeBroken(state: WorktreeState | null | undefined): string[] {
  if (state === undefined || state?.isWhole === true) return [];
  return ["its folder is no worktree of the repository any more"];
}

function describeStray({ branch: where, commits }: Stray, branch: string): string {
  const what = counted(commits, "commit is", "commits are");
  return `${what} on ${where ?? "no branch"} in its worktree, and not on its branch ${branch}`;
}

function describeUncommitted(state: WorktreeState | null | undefined): string[] {
  const { changedFiles: files, stashes } = state ?? { changedFiles: 0, stashes: 0 };
  return [
    ...(files === 0
      ? []
      : [`${counted(files, "changed file is", "changed files are")} not committed`]),
    ...(stashes === 0
      ? []
      : [`${counted(stashes, "entry is", "entries are")} in its worktree's stash`]),
  ];
}

/** Why a push would leave work behind; undefined: it would leave none. */
export function findUnpushable(
  work: EndedWork,
): { readonly code: "WORKTREE_DIRTY" | "BRANCH_CONFLICT"; readonly message: string } | undefined {
  const { tip, stray, state } = work;
  if (tip === undefined || state === undefined) {
    const message =
      "git could not tell whether all work is committed: see the server's log, and push it yourself";
    return { code: "WORKTREE_DIRTY", message };
  }
  const isDirty =
    state !== null && (!state.isWhole || state.unfinished !== null || state.changedFiles > 0);
  const hasLeft = stray?.isCheckedOut === true;
  if (!isDirty && !hasLeft) return undefined;
  const shortfalls = describeShortfalls(work).join("; ");
  return isDirty
    ? {
        code: "WORKTREE_DIRTY",
        message: `${shortfalls}: commit or discard what is in its worktree, then retry`,
      }
    : { code: "BRANCH_CONFLICT", message: `${shortfalls}: merge them into it, and push that` };
}
