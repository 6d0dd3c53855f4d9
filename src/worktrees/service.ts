import { forbidden, visibleWorkers, type Viewer } from "../access/viewer.ts";
import type { Database, PrismaClient } from "../database/client.ts";
import { FactoryError } from "../errors.ts";
import { appendEvents } from "../events/append.ts";
import { describeFailure } from "../failure.ts";
import type { Repository, Worktree } from "../generated/prisma/client.ts";
import type { WorktreeDiff, WorktreeState } from "../git/git.ts";
import { createKeyedMutex } from "../git/lock.ts";
import { checkBase, checkBranch } from "../git/names.ts";
import type { Logger } from "../log.ts";
import type { RepositoryName, RepositoryService } from "../repositories/service.ts";
import { planWorktree, type WorktreePlan } from "./plan.ts";
import { changeWorktree, worktreeAppend } from "./record.ts";

/** Longer than any checkout that makes sense; a wait beyond it is a fault to be told. */
const lockTimeoutMs = 15 * 60_000;
/** Statuses of sessions that occupy their worktree. */
const occupying = ["PREPARING", "RUNNING", "WAITING"] as const;

export interface WorktreeName extends RepositoryName {
  readonly branch: string;
}

export interface EnsureInput {
  /** Freshly fetched. */
  readonly repository: Repository;
  readonly branch: string;
  readonly base: string | undefined;
  /** Where the branch exists, take it up wherever it stands, whatever the base. Default: false. */
  readonly baseIfNew?: boolean;
  readonly signal: AbortSignal;
  /** Called with the plan before anything is made; may refuse by throwing. */
  readonly review?: (plan: WorktreePlan) => void;
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
  /** Fetches, and returns when the worktree is checked out. */
  create(
    input: WorktreeName & { base?: string | undefined },
    signal: AbortSignal,
  ): Promise<{ worktree: Worktree; created: boolean }>;
  /** Makes the worktree, or returns the one that is there. */
  ensure(input: EnsureInput): Promise<{ worktree: Worktree; created: boolean }>;
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

  async function findHere(repositoryId: string, branch: string): Promise<Worktree | null> {
    return prisma.worktree.findUnique({
      where: { repositoryId_branch_runnerId: { repositoryId, branch, runnerId } },
    });
  }

  /** The row from which the checkout starts. A row that failed is tried again. */
  async function begin(
    repository: Repository,
    input: EnsureInput,
    path: string,
    plan: WorktreePlan,
  ): Promise<Worktree> {
    const { base, baseCommit } = plan;
    return prisma.$transaction(async (transaction) => {
      const existing = await findHere(repository.id, input.branch);
      if (existing !== null) {
        const { worktree, append } = await changeWorktree(transaction, existing.id, "CREATING");
        await appendEvents(transaction, [append]);
        return worktree;
      }
      const worktree = await transaction.worktree.create({
        data: {
          branch: input.branch,
          path,
          status: "CREATING",
          base,
          baseCommit,
          repositoryId: repository.id,
          runnerId,
        },
      });
      await appendEvents(transaction, [worktreeAppend(repository, worktree)]);
      return worktree;
    });
  }

  async function settle(
    id: string,
    ...change: [status: "READY" | "FAILED" | "REMOVING", data?: object]
  ): Promise<Worktree> {
    return prisma.$transaction(async (transaction) => {
      const { worktree, append } = await changeWorktree(transaction, id, ...change);
      await appendEvents(transaction, [append]);
      return worktree;
    });
  }

  async function fail(id: string, error: unknown): Promise<void> {
    const { code, message } = describeFailure(error, logger);
    await settle(id, "FAILED", { failureCode: code, error: message });
  }

  async function assertBase(worktree: Worktree, input: EnsureInput): Promise<void> {
    if (input.base === undefined || input.baseIfNew === true) return;
    const git = repositories.open(input.repository);
    const [state, base] = await Promise.all([
      git.inspectWorktree(worktree.branch),
      git.resolveBase(input.base),
    ]);
    if (base.commit === state.headCommit) return;
    throw new FactoryError(
      "BRANCH_EXISTS",
      `${worktree.branch} has a worktree already, at ${state.headCommit?.slice(0, 12) ?? "no commit"}, which is not where base ${input.base} is: leave base out to use it, or choose another branch`,
    );
  }

  async function ensureLocked(input: EnsureInput) {
    const { repository, branch, base: givenBase, baseIfNew = false, signal } = input;
    const existing = await findHere(repository.id, branch);
    if (existing?.status === "READY" || existing?.status === "RUNNING") {
      await assertBase(existing, input);
      return { worktree: existing, created: false };
    }
    const git = repositories.open(repository);
    const others = await prisma.worktree.findMany({
      where: { repositoryId: repository.id, NOT: { branch } },
      select: { branch: true },
    });
    const taken = others.map((other) => other.branch);
    const plan = await planWorktree(git, repository, {
      branch,
      base: givenBase,
      baseIfNew,
      taken,
    });
    input.review?.(plan);
    const row = await begin(repository, input, git.worktreePath(branch), plan);
    try {
      await git.addWorktree({ branch, start: plan.start, signal });
      const { base, baseCommit } = plan;
      return { worktree: await settle(row.id, "READY", { base, baseCommit }), created: true };
    } catch (error) {
      await fail(row.id, error);
      throw error;
    }
  }

  function withLock<T>(repositoryId: string, branch: string, run: () => Promise<T>): Promise<T> {
    return mutex.run(`${repositoryId} ${branch}`, run);
  }

  async function assertFree(transaction: Database, worktree: Worktree): Promise<void> {
    // The lock under which runners take sessions: none can come to occupy it until this commits.
    await lockTaking(transaction);
    const session = await transaction.workerSession.findFirst({
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

  async function assertClean(repository: Repository, worktree: Worktree): Promise<void> {
    const state = await repositories.open(repository).inspectWorktree(worktree.branch);
    const losses = [
      ...(state.changedFiles > 0
        ? [`${String(state.changedFiles)} changed or untracked files`]
        : []),
      ...(state.unpushedCommits > 0
        ? [`${String(state.unpushedCommits)} commits that are on no branch of the remote`]
        : []),
    ];
    if (losses.length === 0) return;
    throw new FactoryError(
      "WORKTREE_DIRTY",
      `the worktree of ${worktree.branch} holds ${losses.join(" and ")}: commit and push them, or delete with force: true, which loses them`,
      { facts: { changedFiles: state.changedFiles, unpushedCommits: state.unpushedCommits } },
    );
  }

  async function removeLocked(
    repository: Repository,
    worktree: Worktree,
    how: { force: boolean; deleteBranch: boolean },
  ): Promise<void> {
    const { id, branch } = worktree;
    if (!how.force && worktree.status === "READY") await assertClean(repository, worktree);
    await prisma.$transaction(async (transaction) => {
      await assertFree(transaction, worktree);
      const { append } = await changeWorktree(transaction, id, "REMOVING");
      await appendEvents(transaction, [append]);
    });
    try {
      await repositories.open(repository).removeWorktree({ branch, ...how });
    } catch (error) {
      await fail(id, error);
      throw error;
    }
    await prisma.$transaction(async (transaction) => {
      await transaction.worktree.delete({ where: { id } });
      const gone = { id, branch, status: "REMOVING" } as const;
      await appendEvents(transaction, [worktreeAppend(repository, gone)]);
    });
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
    async create({ base, branch, ...name }, signal) {
      checkBranch(branch);
      if (base !== undefined) checkBase(base);
      const { repository } = await repositories.sync(name, signal);
      return withLock(repository.id, branch, () =>
        ensureLocked({ repository, branch, base, signal }),
      );
    },
    ensure(input) {
      return withLock(input.repository.id, input.branch, () => ensureLocked(input));
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
        await removeLocked(repository, worktree, { force, deleteBranch });
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
          removeLocked(repository, worktree, { force: false, deleteBranch: true }),
        );
        return true;
      } catch (error) {
        if (error instanceof FactoryError) return false;
        throw error;
      }
    },
    deleteRepository(input) {
      return repositories.remove(input, async (repository) => {
        const worktrees = await prisma.worktree.findMany({
          where: { repositoryId: repository.id },
        });
        for (const worktree of worktrees) {
          await withLock(repository.id, worktree.branch, () =>
            removeLocked(repository, worktree, { force: true, deleteBranch: true }),
          );
        }
      });
    },
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
    async recover() {
      const unfinished = await prisma.worktree.findMany({
        where: { runnerId, status: { in: ["CREATING", "REMOVING"] } },
      });
      for (const { id } of unfinished) {
        await settle(id, "FAILED", {
          failureCode: "SERVICE_UNAVAILABLE",
          error: "the server was stopped in the middle: create or delete it again",
        });
      }
    },
  };
}

const takingLock = 4_711_001;

/** Held to the transaction's end by whoever takes sessions from the queue, or needs that none is taken. */
export async function lockTaking(transaction: Database): Promise<void> {
  await transaction.$queryRaw`SELECT pg_advisory_xact_lock(${takingLock})::text`;
}
