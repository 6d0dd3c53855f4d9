// What a session added to its branch: read from git until its end, and recorded then.
import type { GitCommit } from "../git/git.ts";
import { runnerMethod } from "../runners/calls.ts";
import { askGit, type AskGitDependencies, type CommittingSession } from "./ask-git.ts";

/** So many are recorded. */
export const mostCommits = 1_000;

/** A commit as JSON. */
export interface RecordedCommit extends Omit<GitCommit, "committedAt"> {
  readonly committedAt: string;
}

/** Asked of the runner that the session works on. */
export const commitsMethod = runnerMethod<
  { sessionId: string },
  { commits: readonly RecordedCommit[] }
>("workers.commits");

export function recordCommits(commits: readonly GitCommit[]): RecordedCommit[] {
  return commits.map(({ id, subject, authorName, committedAt }) => ({
    id,
    subject,
    authorName,
    committedAt: committedAt.toISOString(),
  }));
}

export function readRecorded(commits: readonly RecordedCommit[]): GitCommit[] {
  return commits.map((commit) => ({ ...commit, committedAt: new Date(commit.committedAt) }));
}

/** On the runner that it works on. */
export async function readCommits(
  deps: AskGitDependencies,
  session: CommittingSession,
): Promise<readonly GitCommit[]> {
  const { branch, startCommit: since } = session;
  const commits = await askGit(deps, session, (git) =>
    git.listCommits({ branch, since, limit: mostCommits }),
  );
  return commits ?? [];
}
