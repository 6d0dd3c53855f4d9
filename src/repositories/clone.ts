import type { Database, PrismaClient } from "../database/client.ts";
import { insist } from "../database/insist.ts";
import { FactoryError } from "../errors.ts";
import type { Repository } from "../generated/prisma/client.ts";
import type { Git, GitRepository } from "../git/git.ts";
import { parseRemoteUrl } from "../git/remote-url.ts";
import type { Logger } from "../log.ts";
import { failed, type OutcomeRecorder } from "./outcome.ts";
import { createProgressTeller } from "./progress.ts";
import { lockRepository } from "./record.ts";

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
  readonly outcomes: OutcomeRecorder;
  /** Brings what its remote asks for to this runner's git layer. */
  readonly bringCredentials: (repository: Repository) => Promise<void>;
}): Cloner {
  const { prisma, git, logger, outcomes } = deps;
  const underway = new Map<string, Promise<void>>();
  const closing = new AbortController();

  async function clone(repository: Repository): Promise<void> {
    const { id } = repository;
    const progress = createProgressTeller(deps, repository, "CLONING");
    try {
      // The caller's row may be from before the end of another clone.
      const now = await insist(() => prisma.repository.findUnique({ where: { id } }), {
        signal: closing.signal,
      });
      if (now?.status !== "CLONING") return;
      await deps.bringCredentials(now);
      const handle = openClone(git, repository);
      const tips = await handle.clone(repository.url, {
        signal: closing.signal,
        onProgress: progress.tell,
      });
      await progress.told();
      const data = { ...tips, lastSyncedAt: new Date() };
      const change = { status: "SYNCED", message: "cloned", data } as const;
      await outcomes.record({ id, during: "CLONING", change });
    } catch (error) {
      if (closing.signal.aborted) return;
      await progress.told();
      await outcomes.record({ id, during: "CLONING", change: failed(error, logger) });
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
