import { forbidden, visibleWorkers, type Viewer } from "../access/viewer.ts";
import type { PrismaClient } from "../database/client.ts";
import { FactoryError } from "../errors.ts";
import type { Repository, Worktree } from "../generated/prisma/client.ts";
import type { WorktreeDiff, WorktreeState } from "../git/git.ts";
import { createKeyedMutex } from "../git/lock.ts";
import { checkBase, checkBranch } from "../git/names.ts";
import type { Logger } from "../log.ts";
import type { RepositoryName, RepositoryService } from "../repositories/service.ts";
import { makeWorktree, type EnsuredWorktree, type EnsureInput } from "./make.ts";
import { removeWorktree } from "./remove.ts";
import { settleLeftover } from "./settle.ts";
import { sweepWorktrees } from "./sweep.ts";

/** Longer than any checkout that makes sense; a wait beyond it is a fault to be told. */
const lockTimeoutMs = 15 * 60_000;

export interface WorktreeName extends RepositoryName {
  readonly branch: string;
}

export interface WorktreeService {
  /**
   * The id of a branch's worktree: the one in use, else the youngest; null where there is none.
   * @throws FactoryError FORBIDDEN
   */
  find(
    input: WorktreeName & { runner?: string | null | undefined },
    viewer: Viewer,
  ): Promise<string | null>;
  /** Whether the viewer may hear of the branch's worktrees in its repository. */
  sees(viewer: Viewer, branch: string): Promise<boolean>;
  /** Fetches, and returns when the worktree is checked out. @throws FactoryError FORBIDDEN */
  create(
    input: WorktreeName & { base?: string | undefined },
    viewer: Viewer,
    signal: AbortSignal,
  ): Promise<{ worktree: Worktree; created: boolean }>;
  /** Makes the worktree, or returns the one that is there. */
  ensure(input: EnsureInput): Promise<EnsuredWorktree>;
  /** @throws FactoryError WORKTREE_NOT_FOUND, WORKTREE_IN_USE, WORKTREE_DIRTY, RUNNER_UNAVAILABLE */
  remove(
    input: WorktreeName & { runner?: string | undefined; force: boolean; deleteBranch: boolean },
  ): Promise<WorktreeName>;
  /** Removes the worktree, and its branch, where all of its work is on the remote; tells whether it did. */
  cleanUp(worktreeId: string): Promise<boolean>;
  deleteRepository(input: RepositoryName & { force: boolean }): Promise<Repository>;
  /** Live from git. null where it isn't checked out, or another runner holds it. */
  inspect(worktree: Worktree): Promise<WorktreeState | null>;
  commitsAhead(worktree: Worktree): Promise<number | null>;
  diff(worktree: Worktree): Promise<WorktreeDiff | null>;
  /** Takes up what a killed server left in the middle. */
  recover(): Promise<void>;
  /** Puts right what of this runner's doesn't fit together, but for what is worked on now. @returns a line each */
  sweep(repository: Repository): Promise<string[]>;
}

export interface WorktreeDependencies {
  readonly prisma: PrismaClient;
  readonly repositories: RepositoryService;
  readonly runnerId: string;
  readonly logger: Logger;
}

export function createWorktreeService(deps: WorktreeDependencies): WorktreeService {
  const { prisma, repositories, runnerId, logger } = deps;
  // Files under FACTORY_HOME are this server's alone, so a lock in the process is enough.
  const mutex = createKeyedMutex({ timeoutMs: lockTimeoutMs });

  function withLock<T>(repositoryId: string, branch: string, run: () => Promise<T>): Promise<T> {
    return mutex.run(`${repositoryId} ${branch}`, run);
  }

  async function live<T>(
    worktree: Worktree,
    read: (git: ReturnType<RepositoryService["open"]>) => Promise<T>,
  ): Promise<T | null> {
    const readable = worktree.status === "READY" || worktree.status === "RUNNING";
    if (!readable || worktree.runnerId !== runnerId) return null;
    const repository = await prisma.repository.findUnique({ where: { id: worktree.repositoryId } });
    return repository === null ? null : read(repositories.open(repository));
  }

  /** A worktree in which no session has worked yet is nobody's. */
  async function assertNotOthers({ id }: Worktree, viewer: Viewer): Promise<void> {
    const where = { worktreeId: id };
    const [any, visible] = await Promise.all([
      prisma.workerSession.findFirst({ where, select: { id: true } }),
      prisma.workerSession.findFirst({
        where: { ...where, ...visibleWorkers(viewer) },
        select: { id: true },
      }),
    ]);
    if (any !== null && visible === null) {
      throw forbidden("another session has worked in that worktree: choose another branch");
    }
  }

  function deleteRepository(input: RepositoryName & { force: boolean }): Promise<Repository> {
    return repositories.remove(input, async (repository) => {
      const worktrees = await prisma.worktree.findMany({ where: { repositoryId: repository.id } });
      for (const worktree of worktrees) {
        await withLock(repository.id, worktree.branch, () =>
          removeWorktree(deps, repository, worktree, { force: true, deleteBranch: true }),
        );
      }
    });
  }

  return {
    async find({ branch, runner, ...name }, viewer) {
      const repository = await repositories.find(name);
      if (repository === null) return null;
      const candidates = await prisma.worktree.findMany({
        where: {
          repositoryId: repository.id,
          branch,
          ...(runner == null ? {} : { runner: { name: runner } }),
        },
        include: {
          workerSessions: { where: visibleWorkers(viewer), select: { id: true }, take: 1 },
        },
        orderBy: { id: "desc" },
      });
      const found = candidates.find(({ status }) => status === "RUNNING") ?? candidates[0];
      if (found === undefined) return null;
      if (viewer.kind === "worker" && found.workerSessions.length === 0) {
        throw forbidden("a worker's token reads its own worktree and its descendants' alone");
      }
      return found.id;
    },
    async sees(viewer, branch) {
      if (viewer.kind === "operator") return true;
      const { repositoryId } = viewer;
      const session = await prisma.workerSession.findFirst({
        where: { ...visibleWorkers(viewer), repositoryId, branch },
        select: { id: true },
      });
      return session !== null;
    },
    async create({ base, branch, ...name }, viewer, signal) {
      checkBranch(branch);
      if (base !== undefined) checkBase(base);
      const { repository } = await repositories.sync(name, signal);
      const made = await withLock(repository.id, branch, () =>
        makeWorktree(deps, { repository, branch, base, signal }),
      );
      // Creating what is there is no way into what others work in.
      if (!made.created) await assertNotOthers(made.worktree, viewer);
      return made;
    },
    ensure(input) {
      return withLock(input.repository.id, input.branch, () => makeWorktree(deps, input));
    },
    async remove({ runner, force, deleteBranch, ...name }) {
      checkBranch(name.branch);
      const repository = await repositories.get(name);
      return withLock(repository.id, name.branch, async () => {
        const worktree = await prisma.worktree.findFirst({
          where: {
            repositoryId: repository.id,
            branch: name.branch,
            ...(runner === undefined ? {} : { runner: { name: runner } }),
          },
          orderBy: { id: "desc" },
        });
        if (worktree === null) {
          throw new FactoryError(
            "WORKTREE_NOT_FOUND",
            `${repository.owner}/${repository.name} has no worktree for the branch ${name.branch}`,
          );
        }
        if (worktree.runnerId !== runnerId) {
          throw new FactoryError(
            "RUNNER_UNAVAILABLE",
            `the worktree of ${name.branch} is on another runner: ask the server there`,
          );
        }
        await removeWorktree(deps, repository, worktree, { force, deleteBranch });
        return { owner: repository.owner, name: repository.name, branch: worktree.branch };
      });
    },
    async cleanUp(worktreeId) {
      const found = await prisma.worktree.findUnique({
        where: { id: worktreeId },
        include: { repository: true },
      });
      if (found === null) return false;
      const { repository, ...worktree } = found;
      try {
        await withLock(repository.id, worktree.branch, () =>
          removeWorktree(deps, repository, worktree, { force: false, deleteBranch: true }),
        );
        return true;
      } catch (error) {
        if (error instanceof FactoryError) return false;
        throw error;
      }
    },
    deleteRepository,
    inspect(worktree) {
      return live(worktree, (git) => git.inspectWorktree(worktree.branch));
    },
    commitsAhead(worktree) {
      const { branch, baseCommit } = worktree;
      return live(worktree, (git) => git.countCommits({ branch, since: baseCommit }));
    },
    diff(worktree) {
      const { branch, baseCommit } = worktree;
      return live(worktree, (git) => git.diff({ branch, baseCommit }));
    },
    sweep: (repository) =>
      sweepWorktrees(
        {
          ...deps,
          ifIdle: (repositoryId, branch, run) => mutex.runIfIdle(`${repositoryId} ${branch}`, run),
        },
        repository,
      ),
    async recover() {
      const unfinished = await prisma.worktree.findMany({
        where: { runnerId, status: { in: ["CREATING", "REMOVING"] } },
      });
      for (const worktree of unfinished) await settleLeftover(prisma, worktree);
      // What was being deleted had passed its checks: the deletion is gone on with.
      const going = await prisma.repository.findMany({ where: { status: "REMOVING" } });
      for (const { owner, name } of going) {
        await deleteRepository({ owner, name, force: true }).catch((error: unknown) => {
          logger.error({ err: error }, `${owner}/${name} could not be deleted: delete it again`);
        });
      }
    },
  };
}
