// What a session added to its branch: read from git until its end, and recorded then.
import type { PrismaClient } from "../database/client.ts";
import type { WorkerSession } from "../generated/prisma/client.ts";
import type { GitCommit } from "../git/git.ts";
import type { Logger } from "../log.ts";
import type { RepositoryService } from "../repositories/service.ts";
import { runnerMethod } from "../runners/calls.ts";
import { workerName } from "./find.ts";

const mostCommits = 1_000;

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

/** What of a session its commits are read by. */
export type CommittingSession = Pick<
  WorkerSession,
  "number" | "branch" | "startCommit" | "repositoryId" | "worktreeId"
>;

/** On the runner that it works on. That they can't be read is told in the log, and ends nothing. */
export async function readCommits(
  deps: {
    readonly prisma: PrismaClient;
    readonly repositories: RepositoryService;
    readonly logger: Logger;
  },
  session: CommittingSession,
): Promise<readonly GitCommit[]> {
  if (session.repositoryId === null || session.worktreeId === null) return [];
  const repository = await deps.prisma.repository.findUnique({
    where: { id: session.repositoryId },
  });
  if (repository === null) return [];
  try {
    const git = deps.repositories.open(repository);
    const { branch, startCommit: since } = session;
    return await git.listCommits({ branch, since, limit: mostCommits });
  } catch (error) {
    deps.logger.warn({ err: error, worker: workerName(session) }, "commits could not be read");
    return [];
  }
}
