// What a session leaves at its end, read once: what is counted here is what is pushed and recorded.
import { counted } from "../counted.ts";
import { FactoryError } from "../errors.ts";
import type { ChangeCounts, GitCommit, UnfinishedOperation } from "../git/git.ts";
import { askGit, type AskGitDependencies, type CommittingSession } from "./ask-git.ts";
import { mostCommits } from "./commits.ts";
import { describeStray } from "./stray.ts";

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
  readonly stray: string | undefined;
  /** Of files changed or untracked; null: its worktree is gone; undefined: git could not tell. */
  readonly uncommittedFileCount: number | null | undefined;
  readonly unfinished: UnfinishedOperation | undefined;
}

/** Once all processes of the session have ended. */
export async function readEndedWork(
  deps: AskGitDependencies,
  session: CommittingSession,
): Promise<EndedWork> {
  const { branch, worktreeId } = session;
  const tip = await askGit(deps, session, (git) => git.readTip(branch));
  const [added, stray, uncommittedFileCount, unfinished] = await Promise.all([
    readAdded(deps, session, tip),
    describeStray(deps, session),
    worktreeId === null
      ? null
      : askGit(deps, session, (git) =>
          git.inspectWorktree(branch).then(({ changedFiles }) => changedFiles, nullWhereGone),
        ),
    askGit(deps, session, (git) => git.findUnfinished(branch)),
  ]);
  return { tip, ...added, stray, uncommittedFileCount, unfinished };
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
  const { stray, uncommittedFileCount: files, commitCount } = work;
  const shortfalls = [describeUnfinished(work), stray, describeUncommitted(files)].filter(
    (shortfall) => shortfall !== undefined,
  );
  if (shortfalls.length > 0 || commitCount !== 0) return shortfalls;
  return ["no commits were made"];
}

export function describeUnfinished({ unfinished }: EndedWork): string | undefined {
  return unfinished === undefined ? undefined : `it ended in the middle of ${unfinished}`;
}

function describeUncommitted(files: number | null | undefined): string | undefined {
  if (files === null || files === undefined || files === 0) return undefined;
  return `${counted(files, "changed file is", "changed files are")} not committed`;
}

/** Why a push would leave work behind; undefined: it would leave none. */
export function findUnpushable(
  work: EndedWork,
): { readonly code: "WORKTREE_DIRTY" | "BRANCH_CONFLICT"; readonly message: string } | undefined {
  const { tip, stray, uncommittedFileCount: files, unfinished } = work;
  if (tip === undefined || files === undefined) {
    const message =
      "git could not tell whether all work is committed: see the server's log, and push it yourself";
    return { code: "WORKTREE_DIRTY", message };
  }
  const isDirty = unfinished !== undefined || (files !== null && files > 0);
  if (!isDirty && stray === undefined) return undefined;
  const shortfalls = describeShortfalls(work).join("; ");
  return isDirty
    ? {
        code: "WORKTREE_DIRTY",
        message: `${shortfalls}: commit or discard what is in its worktree, then retry`,
      }
    : { code: "BRANCH_CONFLICT", message: `${shortfalls}: merge them into it, and push that` };
}
