import type { Database, PrismaClient } from "../database/client.ts";
import { insist } from "../database/insist.ts";
import { FactoryError } from "../errors.ts";
import { describeFailure } from "../database/failure.ts";
import type { Repository } from "../generated/prisma/client.ts";
import type { Git, GitRepository } from "../git/git.ts";
import { parseRemoteUrl } from "../git/remote-url.ts";
import type { Logger } from "../log.ts";
import { createProgressTeller } from "./progress.ts";
import { changeRepository, lockRepository, type RepositoryChange } from "./record.ts";

export interface Cloner {
  /** Clones the repository whose row says CLONING; joins a clone that is under way. Never rejects. */
  start(repository: Repository): Promise<void>;
  isUnderway(repositoryId: string): boolean;
  /** Resolves when the clone that is under way, if any, has ended. */
  settled(repositoryId: string): Promise<void>;
  /** Ends what is under way; their rows stay CLONING, and the next start takes them up again. */
  close(): Promise<void>;
}

export function createCloner(deps: {
  readonly prisma: PrismaClient;
  readonly git: Git;
  readonly logger: Logger;
}): Cloner {
  const { prisma, git, logger } = deps;
  const underway = new Map<string, Promise<void>>();
  const closing = new AbortController();

  /** Waits out an outage; said again after a lost answer, it changes nothing. */
  function record(id: string, change: RepositoryChange): Promise<void> {
    const once = () =>
      prisma.$transaction(async (transaction) => {
        const now = await lockRepository(transaction, id);
        if (now?.status === "CLONING") await changeRepository(transaction, id, change);
      });
    return insist(once, {
      signal: closing.signal,
      onFailure(error) {
        logger.warn({ err: error }, "a clone's outcome waits for the database");
      },
    });
  }

  async function clone(repository: Repository): Promise<void> {
    const { id } = repository;
    // The caller's row may be from before the end of another clone.
    const now = await insist(
      () => prisma.repository.findUnique({ where: { id }, select: { status: true } }),
      { signal: closing.signal },
    );
    if (now?.status !== "CLONING") return;
    const progress = createProgressTeller(deps, repository, "CLONING");
    try {
      const handle = openClone(git, repository);
      const tips = await handle.clone(repository.url, {
        signal: closing.signal,
        onProgress: progress.tell,
      });
      await progress.told();
      const data = { ...tips, lastSyncedAt: new Date() };
      await record(id, { status: "SYNCED", message: "cloned", data });
    } catch (error) {
      if (closing.signal.aborted) return;
      await progress.told();
      const failure = describeFailure(error, logger);
      await record(id, {
        status: "FAILED",
        message: failure.message,
        data: { failureCode: failure.code, error: failure.message },
      });
    }
  }

  return {
    start(repository) {
      const same = underway.get(repository.id);
      if (same !== undefined) return same;
      const cloning = clone(repository)
        .catch((error: unknown) => {
          // The outcome could not be recorded: the row stays CLONING, and the next start goes on.
          logger.error(
            { err: error, repository: repository.key },
            "a clone's outcome is not recorded",
          );
        })
        .finally(() => underway.delete(repository.id));
      underway.set(repository.id, cloning);
      return cloning;
    },
    isUnderway: (repositoryId) => underway.has(repositoryId),
    async settled(repositoryId) {
      await underway.get(repositoryId);
    },
    async close() {
      closing.abort();
      await Promise.all(underway.values());
    },
  };
}

/** Urls in rows have been checked when they were stored; file urls have no host of their own. */
function hostOf(url: string): string {
  return parseRemoteUrl(url, ["https", "ssh", "http", "file"]).host;
}

/** This server's clone of it, which need not be there yet. */
export function openClone(
  git: Git,
  { url, owner, name }: Pick<Repository, "url" | "owner" | "name">,
): GitRepository {
  return git.openRepository({ host: hostOf(url), owner, name });
}

/** @throws FactoryError where the repository holds no code yet. */
export function assertUsable(repository: Repository): void {
  if (repository.status === "REMOVING") {
    throw new FactoryError(
      "REPOSITORY_NOT_READY",
      `${repository.owner}/${repository.name} is being deleted`,
    );
  }
  if (repository.lastSyncedAt !== null) return;
  throw new FactoryError(
    "REPOSITORY_NOT_READY",
    repository.status === "CLONING"
      ? `${repository.owner}/${repository.name} is still being cloned: wait until its status is SYNCED`
      : `${repository.owner}/${repository.name} could not be cloned (${repository.error ?? "no reason told"}): clone it again`,
  );
}

/**
 * Locks the row: until the transaction's end nobody can begin to delete the repository.
 * @throws FactoryError REPOSITORY_NOT_FOUND, REPOSITORY_NOT_READY
 */
export async function lockUsable(
  transaction: Database,
  { id, owner, name }: Repository,
): Promise<Repository> {
  const row = await lockRepository(transaction, id);
  if (row === null) {
    throw new FactoryError("REPOSITORY_NOT_FOUND", `${owner}/${name} was deleted meanwhile`);
  }
  assertUsable(row);
  return row;
}
