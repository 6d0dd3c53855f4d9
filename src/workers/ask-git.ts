import type { PrismaClient } from "../database/client.ts";
import type { WorkerSession } from "../generated/prisma/client.ts";
import type { GitRepository } from "../git/git.ts";
import type { Logger } from "../log.ts";
import type { RepositoryService } from "../repositories/service.ts";
import { workerName } from "./find.ts";

export interface AskGitDependencies {
  readonly prisma: PrismaClient;
  readonly repositories: RepositoryService;
  readonly logger: Logger;
}

/** What of a session its work is read by. */
export type CommittingSession = Pick<
  WorkerSession,
  "number" | "branch" | "startCommit" | "repositoryId" | "worktreeId"
>;

/**
 * What git tells of a session's work, on the runner that it works on. undefined where it can't tell: the log says
 * why, and nothing ends by it.
 */
export async function askGit<T>(
  { prisma, repositories, logger }: AskGitDependencies,
  session: CommittingSession,
  ask: (git: GitRepository) => Promise<T>,
): Promise<T | undefined> {
  const { repositoryId, worktreeId } = session;
  if (repositoryId === null || worktreeId === null) return undefined;
  const repository = await prisma.repository.findUnique({ where: { id: repositoryId } });
  if (repository === null) return undefined;
  try {
    return await ask(repositories.open(repository));
  } catch (error) {
    logger.warn(
      { err: error, worker: workerName(session) },
      "git could not tell of a worker's work",
    );
    return undefined;
  }
}
