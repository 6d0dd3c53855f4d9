// Repositories go only where no session needs them, and their worktrees only by force.
import { counted, named } from "../counted.ts";
import type { Database, PrismaClient } from "../database/client.ts";
import { FactoryError } from "../errors.ts";
import type { Repository } from "../generated/prisma/client.ts";
import type { Git } from "../git/git.ts";
import { createKeyedMutex } from "../git/lock.ts";
import type { Logger } from "../log.ts";
import { openClone } from "./clone.ts";
import { failed, type OutcomeRecorder } from "./outcome.ts";
import { appendRepositoryEvent, changeRepository, lockKey, lockRepository } from "./record.ts";

/** Longer than the removal of any number of worktrees that makes sense. */
const lockTimeoutMs = 15 * 60_000;

export interface Removal {
  readonly force: boolean;
  /** Branches of its clones with commits that are on no branch of the remote. */
  readonly findUnpushed: (repository: Repository) => Promise<readonly string[]>;
  /** Removes the worktrees with all that they hold. */
  readonly removeWorktrees: (repository: Repository) => Promise<void>;
}

export interface Remover {
  /**
   * One at a time for one repository.
   * @param find the row, asked for when it is this call's turn
   * @throws FactoryError REPOSITORY_IN_USE, REPOSITORY_NOT_READY, and as `find`
   */
  remove(key: string, find: () => Promise<Repository>, how: Removal): Promise<Repository>;
  /** Whether it is being removed here. */
  isUnderway(repositoryId: string): boolean;
}

export interface RemoverDependencies {
  readonly prisma: PrismaClient;
  readonly git: Git;
  readonly logger: Logger;
  readonly outcomes: OutcomeRecorder;
  /** Whether a clone or a fetch of it runs on this runner, which is its home. */
  readonly isBusy: (repositoryId: string) => boolean;
}

export function createRemover(deps: RemoverDependencies): Remover {
  const { prisma, git, logger, outcomes, isBusy } = deps;
  const underway = new Set<string>();
  const mutex = createKeyedMutex({ timeoutMs: lockTimeoutMs });

  async function finish(repository: Repository): Promise<void> {
    const { id } = repository;
    await openClone(git, repository).remove();
    await prisma.$transaction(async (transaction) => {
      const { count } = await transaction.repository.deleteMany({ where: { id } });
      if (count === 0) return;
      await appendRepositoryEvent(transaction, repository, {
        status: "REMOVING",
        progress: null,
        message: "deleted",
      });
    });
  }

  /** One that fails half way can be begun again: what is left of the clone is cloned anew where it is used. */
  async function remove(found: Repository, { force, findUnpushed, removeWorktrees }: Removal) {
    const { id } = found;
    if (!force) assertPushed(found, await findUnpushed(found));
    const repository = await prisma.$transaction((transaction) =>
      begin(transaction, found, force, isBusy),
    );
    try {
      await removeWorktrees(repository);
      await finish(repository);
    } catch (error) {
      const outcome = { id, during: "REMOVING", change: failed(error, logger) } as const;
      await outcomes.recordSoon(outcome, () => underway.has(id));
      throw error;
    }
    return repository;
  }

  return {
    isUnderway: (repositoryId) => underway.has(repositoryId),
    remove: (key, find, how) =>
      mutex.run(key, async () => {
        const found = await find();
        underway.add(found.id);
        try {
          return await remove(found, how);
        } finally {
          underway.delete(found.id);
        }
      }),
  };
}

function assertPushed({ owner, name }: Repository, branches: readonly string[]): void {
  if (branches.length === 0) return;
  const what = counted(branches.length, "local branch", "local branches");
  throw new FactoryError(
    "REPOSITORY_IN_USE",
    `the clone of ${owner}/${name} has ${named(what, branches.slice(0, 5), branches.length)} with commits that are on no branch of the remote: push them, or delete with force: true, which loses them`,
  );
}

/** From its commit on nobody can get a worktree or a session of it. */
async function begin(
  transaction: Database,
  { id, key, owner, name }: Repository,
  force: boolean,
  isBusy: RemoverDependencies["isBusy"],
): Promise<Repository> {
  const label = `${owner}/${name}`;
  // Both before anything is asked: a dispatch holds the first, what makes a worktree the second.
  await lockKey(transaction, key);
  const row = await lockRepository(transaction, id);
  const unfinished = await transaction.workerSession.findFirst({
    where: { repositoryId: id, finishedAt: null },
    orderBy: { number: "asc" },
  });
  if (unfinished !== null) {
    throw new FactoryError(
      "REPOSITORY_IN_USE",
      `worker-${String(unfinished.number)} works in ${label}: cancel it, or wait for its end`,
    );
  }
  const worktree = await transaction.worktree.findFirst({ where: { repositoryId: id } });
  if (worktree !== null && !force) {
    throw new FactoryError(
      "REPOSITORY_IN_USE",
      `${label} has a worktree for ${worktree.branch}: delete its worktrees first, or delete with force: true, which loses work that is nowhere else`,
    );
  }
  // A removal that was stopped half way is gone on with.
  if (row?.status === "REMOVING") return row;
  if (row?.status === "CLONING" || row?.status === "SYNCING") {
    if (!isBusy(id)) {
      // Nobody works on it any more: its end was not recorded, or it never began.
      await changeRepository(transaction, id, { status: "FAILED", message: "given up" });
      return changeRepository(transaction, id, { status: "REMOVING" });
    }
    throw new FactoryError(
      "REPOSITORY_NOT_READY",
      `${label} is ${row.status} at the moment: try again when that has ended`,
    );
  }
  return changeRepository(transaction, id, { status: "REMOVING" });
}
