import type { PrismaClient } from "../database/client.ts";
import type { Repository } from "../generated/prisma/client.ts";
import type { Git } from "../git/git.ts";
import { createSharedRun, type SharedRun } from "../git/shared-run.ts";
import type { Logger } from "../log.ts";
import { lockUsable, openClone } from "./clone.ts";
import { failed, type OutcomeRecorder } from "./outcome.ts";
import { createProgressTeller } from "./progress.ts";
import { changeRepository, type RepositoryChange } from "./record.ts";

export interface SyncResult {
  readonly repository: Repository;
  /** Whether the tip of the default branch, or the choice of it, changed. */
  readonly updated: boolean;
}

export interface Syncer {
  /**
   * Fetches from the remote. Calls that come while a fetch runs share one further fetch: the running one
   * may have looked at the remote before they asked.
   */
  sync(repository: Repository, signal?: AbortSignal): Promise<SyncResult>;
  /** Whether a fetch of it runs here, or its outcome is being recorded. */
  isUnderway(repositoryId: string): boolean;
}

export function createSyncer(deps: {
  readonly prisma: PrismaClient;
  readonly git: Git;
  readonly logger: Logger;
  readonly outcomes: OutcomeRecorder;
}): Syncer {
  const { prisma, git, logger, outcomes } = deps;
  const runs = new Map<string, SharedRun<SyncResult>>();

  async function run(asked: Repository, signal: AbortSignal): Promise<SyncResult> {
    const { id } = asked;
    const before = await prisma.$transaction(async (transaction) => {
      // It may have waited for another fetch, and the repository been deleted meanwhile.
      const row = await lockUsable(transaction, asked);
      // Left by a fetch whose end could not be recorded; there is one at a time.
      if (row.status === "SYNCING") return row;
      return changeRepository(transaction, id, { status: "SYNCING" });
    });
    const progress = createProgressTeller(deps, before, "SYNCING");
    try {
      const handle = openClone(git, before);
      const { defaultBranch, headCommit } = await handle
        .fetch({ signal, onProgress: progress.tell })
        .finally(progress.told);
      const data = { defaultBranch, headCommit, lastSyncedAt: new Date() };
      const repository = await prisma.$transaction((transaction) =>
        changeRepository(transaction, id, { status: "SYNCED", data }),
      );
      const updated =
        repository.headCommit !== before.headCommit ||
        repository.defaultBranch !== before.defaultBranch;
      return { repository, updated };
    } catch (error) {
      const change: RepositoryChange = signal.aborted
        ? // Nobody waited for it any longer: it says nothing about the remote.
          { status: "SYNCED", message: "the fetch was given up" }
        : failed(error, logger);
      await outcomes.recordSoon({ id, during: "SYNCING", change }, () => runs.has(id));
      throw error;
    }
  }

  return {
    isUnderway: (repositoryId) => runs.has(repositoryId),
    sync(repository, signal) {
      const { id } = repository;
      let shared = runs.get(id);
      if (shared === undefined) {
        shared = createSharedRun(
          (ending) => run(repository, ending),
          () => runs.delete(id),
        );
        runs.set(id, shared);
      }
      return shared.join(signal);
    },
  };
}
