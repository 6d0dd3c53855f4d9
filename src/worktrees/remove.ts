// Worktrees go only where no work goes with them, or by force.
import type { Database, PrismaClient } from "../database/client.ts";
import { FactoryError } from "../errors.ts";
import { appendEvents } from "../events/append.ts";
import type { Repository, Worktree } from "../generated/prisma/client.ts";
import { isThere } from "../git/files.ts";
import type { Logger } from "../log.ts";
import type { RepositoryService } from "../repositories/service.ts";
import { changeWorktree, worktreeAppend } from "./record.ts";
import { settleFailed, settleLeftover } from "./settle.ts";

/** Statuses of sessions that occupy their worktree. */
export const occupying = ["PREPARING", "RUNNING", "WAITING"] as const;

export interface RemovalDependencies {
  readonly prisma: PrismaClient;
  readonly repositories: RepositoryService;
  readonly logger: Logger;
}

export interface Removal {
  readonly force: boolean;
  readonly deleteBranch: boolean;
  /** The caller has seen that nothing is lost, a moment ago. Default: false. */
  readonly isChecked?: boolean;
}

/**
 * One at a time for one branch. Resolves with whether it was there.
 * @throws FactoryError WORKTREE_IN_USE, WORKTREE_DIRTY
 */
export async function removeWorktree(
  deps: RemovalDependencies,
  repository: Repository,
  { id, branch }: Worktree,
  how: Removal,
): Promise<boolean> {
  const { prisma, repositories } = deps;
  // As it is now: it may have been asked for before this call's turn came.
  const found = await prisma.worktree.findUnique({ where: { id } });
  if (found === null) return false;
  const worktree = await settleLeftover(prisma, found);
  await assertFree(prisma, worktree);
  const isChecked = !how.force && worktree.status === "READY";
  if (isChecked && how.isChecked !== true) {
    await assertClean(repositories, repository, worktree, how);
  }
  await prisma.$transaction(async (transaction) => {
    // Asked again: a session may have come to occupy it meanwhile; under this lock none can.
    await lockTaking(transaction);
    await assertFree(transaction, worktree);
    const { append } = await changeWorktree(transaction, id, "REMOVING");
    await appendEvents(transaction, [append]);
  });
  try {
    await repositories.open(repository).removeWorktree({ branch, ...how, isChecked });
    await prisma.$transaction(async (transaction) => {
      await transaction.worktree.delete({ where: { id } });
      const gone = { id, branch, status: "REMOVING" } as const;
      await appendEvents(transaction, [worktreeAppend(repository, gone)]);
    });
  } catch (error) {
    await settleFailed(deps, id, error);
    throw error;
  }
  return true;
}

async function assertFree(database: Database, worktree: Worktree): Promise<void> {
  const session = await database.workerSession.findFirst({
    where: {
      repositoryId: worktree.repositoryId,
      branch: worktree.branch,
      runnerId: worktree.runnerId,
      status: { in: [...occupying] },
    },
  });
  if (session === null) return;
  throw new FactoryError(
    "WORKTREE_IN_USE",
    `worker-${String(session.number)} works in the worktree of ${worktree.branch}: cancel it, or wait for its end`,
  );
}

async function assertClean(
  repositories: RepositoryService,
  repository: Repository,
  worktree: Worktree,
  { deleteBranch }: Removal,
): Promise<void> {
  const { branch, path } = worktree;
  const git = repositories.open(repository);
  // What else was lost with the folder can't be told.
  if (deleteBranch && !(await isThere(path))) await git.inspectWorktree(branch);
  await git.assertNothingLost({ branch, deleteBranch });
}

const takingLock = 4_711_001;

/** Held to the transaction's end by whoever takes sessions from the queue, or needs that none is taken. */
export async function lockTaking(transaction: Database): Promise<void> {
  await transaction.$queryRaw`SELECT pg_advisory_xact_lock(${takingLock})::text`;
}
