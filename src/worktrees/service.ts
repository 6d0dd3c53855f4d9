import { forbidden, visibleWorkers, type Viewer } from "../access/viewer.ts";
import type { PrismaClient } from "../database/client.ts";
import { FactoryError } from "../errors.ts";
import type { Repository, Worktree } from "../generated/prisma/client.ts";
import type { WorktreeDiff, WorktreeState } from "../git/git.ts";
import { checkBase, checkBranch } from "../git/names.ts";
import { assertUsable } from "../repositories/clone.ts";
import type { RepositoryName } from "../repositories/service.ts";
import type { RunnerCalls, RunnerMethod } from "../runners/calls.ts";
import { listRunners } from "../runners/list.ts";
import {
  commitsAheadMethod,
  createMethod,
  deleteRepositoryMethod,
  diffMethod,
  inspectMethod,
  removeMethod,
  type LiveInput,
} from "./calls.ts";
import { createLocalWorktrees, type LocalWorktrees, type WorktreeDependencies } from "./local.ts";
import type { EnsuredWorktree, EnsureInput } from "./make.ts";
import { areOthersAlone } from "./others.ts";

export interface WorktreeName extends RepositoryName {
  readonly branch: string;
}

/** Who asks for what is live from git, and until when. Default: the server itself. */
export interface Asker {
  readonly viewer?: Viewer;
  readonly signal?: AbortSignal;
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
  /** Whether all work of the worktree, and of its branch, is on the remote. */
  isClean(worktreeId: string): Promise<boolean>;
  /**
   * Removes the worktree, and its branch, where all of its work is on the remote; tells whether it did.
   * `isChecked`: `isClean` has said so a moment ago.
   */
  cleanUp(worktreeId: string, options?: { readonly isChecked: boolean }): Promise<boolean>;
  deleteRepository(input: RepositoryName & { force: boolean }): Promise<Repository>;
  /**
   * Live from git, on the runner that holds it; null where it isn't checked out. As the two below:
   * @throws FactoryError RUNNER_UNAVAILABLE, WORKTREE_NOT_FOUND, SERVICE_UNAVAILABLE, HOST_FAILURE
   */
  inspect(worktree: Worktree, asker?: Asker): Promise<WorktreeState | null>;
  commitsAhead(worktree: Worktree, asker: Asker): Promise<number | null>;
  diff(worktree: Worktree, asker: Asker): Promise<WorktreeDiff | null>;
  /** Takes up what a killed server left in the middle. */
  recover(): Promise<void>;
  /** Puts right what of this runner's doesn't fit together, but for what is worked on now. @returns a line each */
  sweep(repository: Repository): Promise<string[]>;
  close(): Promise<void>;
}

export function createWorktreeService(deps: WorktreeDependencies): WorktreeService {
  const { prisma, repositories, calls } = deps;
  const { runnerId } = calls;
  const local = runnerId === undefined ? undefined : createLocalWorktrees({ ...deps, runnerId });
  if (local !== undefined) answerCalls(prisma, calls, local);

  /** For what a session's own runner does. */
  function here(): LocalWorktrees {
    if (local === undefined) throw new Error("this server has no worktrees");
    return local;
  }

  /** A worktree in which no session has worked yet is nobody's. */
  async function assertNotOthers({ id }: Worktree, viewer: Viewer): Promise<void> {
    if (await areOthersAlone(prisma, viewer, { worktreeId: id })) {
      throw forbidden("another session has worked in that worktree: choose another branch");
    }
  }

  /** Before anything of it is deleted. @throws FactoryError RUNNER_UNAVAILABLE */
  async function assertHoldersAlive(repository: Repository): Promise<void> {
    const held = await prisma.worktree.findMany({
      where: { repositoryId: repository.id },
      distinct: ["runnerId"],
    });
    if (held.every((worktree) => worktree.runnerId === runnerId)) return;
    const alive = (await listRunners(prisma, calls)).filter((runner) => runner.alive);
    const away = held.find((worktree) => !alive.some(({ id }) => id === worktree.runnerId));
    if (away === undefined) return;
    throw new FactoryError(
      "RUNNER_UNAVAILABLE",
      `the runner that holds the worktree of ${away.branch} is away: start it again, and delete the repository then`,
    );
  }

  function ask<Output extends object>(
    method: RunnerMethod<LiveInput, Output>,
    { id: worktreeId, runnerId: holder }: Worktree,
    { viewer, signal }: Asker,
  ): Promise<Output> {
    const input = { worktreeId, asker: viewer?.kind ?? "server" };
    return calls.call(holder, method, input, signal);
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
      const repository = await repositories.get(name);
      assertUsable(repository);
      const existing = await prisma.worktree.findFirst({
        where: { repositoryId: repository.id, branch },
        orderBy: { id: "desc" },
      });
      const holder = existing?.runnerId ?? (await repositories.home(repository));
      const input = { repositoryId: repository.id, branch, base: base ?? null };
      const { worktreeId, created } = await calls.call(holder, createMethod, input, signal);
      const worktree = await prisma.worktree.findUnique({ where: { id: worktreeId } });
      if (worktree === null) throw notFound(repository, branch);
      // Creating what is there is no way into what others work in.
      if (!created) await assertNotOthers(worktree, viewer);
      return { worktree, created };
    },
    ensure: (input) => here().ensure(input),
    async remove({ runner, force, deleteBranch, ...name }) {
      checkBranch(name.branch);
      const repository = await repositories.get(name);
      const worktree = await prisma.worktree.findFirst({
        where: {
          repositoryId: repository.id,
          branch: name.branch,
          ...(runner === undefined ? {} : { runner: { name: runner } }),
        },
        orderBy: { id: "desc" },
      });
      if (worktree === null) throw notFound(repository, name.branch);
      const { id: worktreeId, branch } = worktree;
      const input = { worktreeId, force, deleteBranch };
      const { removed } = await calls.call(worktree.runnerId, removeMethod, input);
      if (!removed) throw notFound(repository, branch);
      return { owner: repository.owner, name: repository.name, branch };
    },
    isClean: (worktreeId) => here().isClean(worktreeId),
    cleanUp: (worktreeId, options) => here().cleanUp(worktreeId, options),
    async deleteRepository(input) {
      const repository = await repositories.get(input);
      await assertHoldersAlive(repository);
      const home = await repositories.home(repository);
      await calls.call(home, deleteRepositoryMethod, input);
      return repository;
    },
    async inspect(worktree, asker = {}) {
      return (await ask(inspectMethod, worktree, asker)).state;
    },
    async commitsAhead(worktree, asker) {
      return (await ask(commitsAheadMethod, worktree, asker)).count;
    },
    async diff(worktree, asker) {
      return (await ask(diffMethod, worktree, asker)).diff;
    },
    async recover() {
      await local?.recover();
    },
    sweep: (repository) => here().sweep(repository),
    async close() {
      await local?.close();
    },
  };
}

/** What other servers ask of this one's runner. */
function answerCalls(prisma: PrismaClient, calls: RunnerCalls, local: LocalWorktrees): void {
  const find = (id: string) => prisma.worktree.findUnique({ where: { id } });
  calls.handle(createMethod, async ({ repositoryId, branch, base }, signal) => {
    const input = { repositoryId, branch, base: base ?? undefined };
    const { worktree, created } = await local.create(input, signal);
    return { worktreeId: worktree.id, created };
  });
  calls.handle(removeMethod, async ({ worktreeId, ...how }) => {
    const worktree = await find(worktreeId);
    return { removed: worktree !== null && (await local.remove(worktree, how)) };
  });
  calls.handle(deleteRepositoryMethod, async (input) => {
    const { id } = await local.deleteRepository(input);
    return { repositoryId: id };
  });
  calls.handle(inspectMethod, async ({ worktreeId, asker }, signal) => {
    const worktree = await find(worktreeId);
    const reading = { asker, signal };
    return { state: worktree === null ? null : await local.inspect(worktree, reading) };
  });
  calls.handle(commitsAheadMethod, async ({ worktreeId, asker }, signal) => {
    const worktree = await find(worktreeId);
    const reading = { asker, signal };
    return { count: worktree === null ? null : await local.commitsAhead(worktree, reading) };
  });
  calls.handle(diffMethod, async ({ worktreeId, asker }, signal) => {
    const worktree = await find(worktreeId);
    const reading = { asker, signal };
    return { diff: worktree === null ? null : await local.diff(worktree, reading) };
  });
}

function notFound({ owner, name }: Repository, branch: string): FactoryError {
  return new FactoryError(
    "WORKTREE_NOT_FOUND",
    `${owner}/${name} has no worktree for the branch ${branch}`,
  );
}
