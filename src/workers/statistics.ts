// How much a session changed, read at its end.
import type { PrismaClient } from "../database/client.ts";
import type { ChangeCounts } from "../git/git.ts";
import type { Logger } from "../log.ts";
import type { RepositoryService } from "../repositories/service.ts";
import type { CommittingSession } from "./commits.ts";
import { workerName } from "./find.ts";

/** Of its branch against where it started. null where that can't be told; the log says why, and nothing ends by it. */
export async function readStatistics(
  deps: {
    readonly prisma: PrismaClient;
    readonly repositories: RepositoryService;
    readonly logger: Logger;
  },
  session: CommittingSession,
): Promise<ChangeCounts | null> {
  if (session.repositoryId === null || session.worktreeId === null) return null;
  const repository = await deps.prisma.repository.findUnique({
    where: { id: session.repositoryId },
  });
  if (repository === null) return null;
  try {
    const { branch, startCommit: since } = session;
    return await deps.repositories.open(repository).countChanges({ branch, since });
  } catch (error) {
    deps.logger.warn({ err: error, worker: workerName(session) }, "changes could not be counted");
    return null;
  }
}
