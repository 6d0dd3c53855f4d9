// What a runner does with the worktrees on its own disk.
import type { PrismaClient } from "../database/client.ts";
import { isOutage } from "../database/errors.ts";
import { insist } from "../database/insist.ts";
import { FactoryError } from "../errors.ts";
import type { Repository, Worktree } from "../generated/prisma/client.ts";
import type { WorktreeDiff, WorktreeReader, WorktreeState } from "../git/git.ts";
import { createKeyedMutex } from "../git/lock.ts";
import { createKeyedRuns, type KeyedRuns } from "../git/shared-run.ts";
import type { Logger } from "../log.ts";
import { forgetMethod, unpushedMethod } from "../repositories/home.ts";
import type { RepositoryName, RepositoryService } from "../repositories/service.ts";
import type { RunnerCalls } from "../runners/calls.ts";
import { listRunners } from "../runners/list.ts";
import { removeMethod, type AskerKind } from "./calls.ts";
import { makeWorktree, type EnsuredWorktree, type EnsureInput } from "./make.ts";
import { removeWorktree, type Removal } from "./remove.ts";
import { settleLeftover } from "./settle.ts";
import { sweepWorktrees } from "./sweep.ts";

/** Longer than any checkout that makes sense; a wait beyond it is a fault to be told. */
const lockTimeoutMs = 15 * 60_000;

export interface WorktreeDependencies {
  readonly prisma: PrismaClient;
  readonly repositories: RepositoryService;
  readonly calls: RunnerCalls;
  /** Leaves secrets out of what workers wrote. */
  readonly redact: (text: string) => string;
  readonly logger: Logger;
}

/** Who asks for what is live from git. */
export interface Reading {
  readonly asker: AskerKind;
  /** Ends the wait; git is ended when nobody waits any more. */
  readonly signal?: AbortSignal | undefined;
}

export interface LocalWorktrees {
  /** Makes the worktree, or returns the one that is there. */
  ensure(input: EnsureInput): Promise<EnsuredWorktree>;
  /** Fetches, and makes it. */
  create(
    input: { repositoryId: string; branch: string; base: string | undefined },
    signal: AbortSignal,
  ): Promise<EnsuredWorktree>;
  /** Resolves with whether it was there. */
  remove(worktree: Worktree, how: Removal): Promise<boolean>;
  isClean(worktreeId: string): Promise<boolean>;
  cleanUp(worktreeId: string, options?: { readonly isChecked: boolean }): Promise<boolean>;
  deleteRepository(input: RepositoryName & { force: boolean }): Promise<Repository>;
  /** The same question under way is asked once. */
  inspect(worktree: Worktree, reading: Reading): Promise<WorktreeState | null>;
  commitsAhead(worktree: Worktree, reading: Reading): Promise<number | null>;
  diff(worktree: Worktree, reading: Reading): Promise<WorktreeDiff | null>;
  recover(): Promise<void>;
  /** Puts right what doesn't fit together, but for what is worked on now. Returns a line each. */
  sweep(repository: Repository): Promise<string[]>;
  /** Gives up what waits for the database: the next start settles those rows. */
  close(): Promise<void>;
}

export function createLocalWorktrees(
  deps: WorktreeDependencies & { readonly runnerId: string },
): LocalWorktrees {
  const { prisma, repositories, calls, runnerId, redact, logger } = deps;
  // Files under FACTORY_HOME are this server's alone, so a lock in the process is enough.
  const mutex = createKeyedMutex({ timeoutMs: lockTimeoutMs });

  const closing = new AbortController();
  const settling = new Set<Promise<void>>();

  /** Leaves no row in the middle: where an outage keeps its end from being recorded, that is done after it. */
  async function withLock<T>(
    repositoryId: string,
    branch: string,
    run: () => Promise<T>,
  ): Promise<T> {
    try {
      return await mutex.run(`${repositoryId} ${branch}`, run);
    } catch (error) {
      if (isOutage(error)) settleLater(repositoryId, branch);
      throw error;
    }
  }

  function settleLater(repositoryId: string, branch: string): void {
    const once = () =>
      mutex.run(`${repositoryId} ${branch}`, async () => {
        const row = await prisma.worktree.findUnique({
          where: { repositoryId_branch_runnerId: { repositoryId, branch, runnerId } },
        });
        if (row !== null) await settleLeftover(prisma, row);
      });
    const later = insist(once, { signal: closing.signal })
      .catch((error: unknown) => {
        if (closing.signal.aborted) return;
        logger.error({ err: error, branch }, "failed to settle a worktree after an outage");
      })
      .finally(() => settling.delete(later));
    settling.add(later);
  }

  const hideInDiff = (diff: WorktreeDiff) => ({ ...diff, text: redact(diff.text) });
  const hideInState = (state: WorktreeState) => ({
    ...state,
    changedPaths: state.changedPaths.map(redact),
  });

  const states = createKeyedRuns<WorktreeState | null>();
  const counts = createKeyedRuns<number | null>();
  const diffs = createKeyedRuns<WorktreeDiff | null>();

  /** Workers wait for each other's questions, and for nobody else's. */
  async function live<T>(
    runs: KeyedRuns<T | null>,
    worktree: Worktree,
    { asker, signal }: Reading,
    read: (git: WorktreeReader, signal: AbortSignal) => Promise<T>,
  ): Promise<T | null> {
    if (worktree.status !== "READY" && worktree.status !== "RUNNING") return null;
    const key = `${worktree.id} ${asker}`;
    return runs.join(
      key,
      async (ending) => {
        const where = { id: worktree.repositoryId };
        const repository = await prisma.repository.findUnique({ where });
        if (repository === null) return null;
        const git = repositories.open(repository);
        const reader = asker === "server" ? git : git.reader({ forWorker: asker === "worker" });
        return read(reader, ending);
      },
      signal,
    );
  }

  function remove(worktree: Worktree, how: Removal): Promise<boolean> {
    const { repositoryId, branch } = worktree;
    return withLock(repositoryId, branch, async () => {
      const repository = await prisma.repository.findUnique({ where: { id: repositoryId } });
      // Gone, and its worktrees with it.
      if (repository === null) return false;
      return removeWorktree(deps, repository, worktree, how);
    });
  }

  async function removeAll(repository: Repository): Promise<void> {
    const force = { force: true, deleteBranch: true };
    const where = { repositoryId: repository.id };
    for (const worktree of await prisma.worktree.findMany({ where })) {
      if (worktree.runnerId === runnerId) await remove(worktree, force);
      else await calls.call(worktree.runnerId, removeMethod, { worktreeId: worktree.id, ...force });
    }
    await forgetElsewhere(repository);
  }

  async function listOthers(): Promise<readonly { id: string; name: string }[]> {
    const runners = await listRunners(prisma, calls);
    return runners.filter(({ id, alive }) => alive && id !== runnerId);
  }

  /** The clones of runners that are away stay until they are cloned over, or removed by hand. */
  async function forgetElsewhere({ url, owner, name }: Repository): Promise<void> {
    for (const { id, name: runner } of await listOthers()) {
      await calls.call(id, forgetMethod, { url, owner, name }).catch((error: unknown) => {
        logger.warn({ err: error, runner }, `the clone of ${owner}/${name} there stays`);
      });
    }
  }

  async function findUnpushed({ url, owner, name }: Repository): Promise<readonly string[]> {
    const ids = [runnerId, ...(await listOthers()).map(({ id }) => id)];
    const found = await Promise.all(
      ids.map((id) => calls.call(id, unpushedMethod, { url, owner, name })),
    );
    return found.flatMap(({ branches }) => branches);
  }

  function deleteRepository(input: RepositoryName & { force: boolean }): Promise<Repository> {
    return repositories.remove(input, { findUnpushed, removeWorktrees: removeAll });
  }

  return {
    ensure: (input) => withLock(input.repository.id, input.branch, () => makeWorktree(deps, input)),
    async create({ repositoryId, branch, base }, signal) {
      const repository = await repositories.prepare(repositoryId, signal, { maxAgeSeconds: 0 });
      return withLock(repositoryId, branch, () =>
        makeWorktree(deps, { repository, branch, base, signal }),
      );
    },
    remove,
    async isClean(worktreeId) {
      const where = { id: worktreeId };
      const worktree = await prisma.worktree.findUnique({ where, include: { repository: true } });
      if (worktree === null) return false;
      const git = repositories.open(worktree.repository);
      return refusedIsFalse(() =>
        git.assertNothingLost({ branch: worktree.branch, deleteBranch: true }),
      );
    },
    async cleanUp(worktreeId, { isChecked } = { isChecked: false }) {
      const worktree = await prisma.worktree.findUnique({ where: { id: worktreeId } });
      if (worktree === null) return false;
      return refusedIsFalse(() =>
        remove(worktree, { force: false, deleteBranch: true, isChecked }),
      );
    },
    deleteRepository,
    inspect: (worktree, reading) =>
      live(states, worktree, reading, (git, signal) =>
        git.inspectWorktree(worktree.branch, { signal }).then(hideInState),
      ),
    commitsAhead: (worktree, reading) => {
      const { branch, baseCommit: since } = worktree;
      return live(counts, worktree, reading, (git, signal) =>
        git.countCommits({ branch, since, signal }),
      );
    },
    diff: (worktree, reading) => {
      const { branch, baseCommit } = worktree;
      return live(diffs, worktree, reading, (git, signal) =>
        git.diff({ branch, baseCommit, signal }).then(hideInDiff),
      );
    },
    sweep: (repository) =>
      sweepWorktrees(
        {
          ...deps,
          ifIdle: (repositoryId, branch, run) => mutex.runIfIdle(`${repositoryId} ${branch}`, run),
        },
        repository,
      ),
    async close() {
      closing.abort();
      await Promise.all(settling);
    },
    async recover() {
      const unfinished = await prisma.worktree.findMany({
        where: { runnerId, status: { in: ["CREATING", "REMOVING"] } },
      });
      for (const worktree of unfinished) await settleLeftover(prisma, worktree);
      // What was being deleted had passed its checks: the deletion is gone on with.
      const going = await prisma.repository.findMany({ where: { status: "REMOVING", runnerId } });
      for (const { owner, name } of going) {
        await deleteRepository({ owner, name, force: true }).catch((error: unknown) => {
          logger.error({ err: error }, `${owner}/${name} could not be deleted: delete it again`);
        });
      }
    },
  };
}

async function refusedIsFalse(act: () => Promise<unknown>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    if (error instanceof FactoryError) return false;
    throw error;
  }
}
