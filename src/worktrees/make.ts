// From a branch's name to its checked out worktree.
import type { Database, PrismaClient } from "../database/client.ts";
import { FactoryError } from "../errors.ts";
import { appendEvents } from "../events/append.ts";
import type { Repository, Worktree } from "../generated/prisma/client.ts";
import type { Logger } from "../log.ts";
import { lockUsable } from "../repositories/clone.ts";
import type { RepositoryService } from "../repositories/service.ts";
import { assertNoBranchConflict, planWorktree, type WorktreePlan } from "./plan.ts";
import { changeWorktree, worktreeAppend } from "./record.ts";
import { settle, settleBroken, settleFailed, settleLeftover } from "./settle.ts";

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

export interface MakeDependencies {
  readonly prisma: PrismaClient;
  readonly repositories: RepositoryService;
  readonly runnerId: string;
  readonly logger: Logger;
}

export type EnsuredWorktree =
  | { readonly worktree: Worktree; readonly created: false }
  /** headCommit: null where it has no commit yet. */
  | { readonly worktree: Worktree; readonly created: true; readonly headCommit: string | null };

/** Makes the worktree, or returns the one that is there. One at a time for one branch. */
export async function makeWorktree(
  deps: MakeDependencies,
  input: EnsureInput,
): Promise<EnsuredWorktree> {
  const { prisma, repositories, runnerId } = deps;
  const { repository, branch, signal } = input;
  const found = await findHere(prisma, runnerId, repository.id, branch);
  const git = repositories.open(repository);
  const existing =
    found === null ? null : await settleBroken(prisma, git, await settleLeftover(prisma, found));
  if (existing?.status === "READY" || existing?.status === "RUNNING") {
    await assertBase(repositories, existing, input);
    return { worktree: existing, created: false };
  }
  const plan = await makePlan(deps, input);
  input.review?.(plan);
  const row = await begin(deps, input, git.worktreePath(branch), plan);
  try {
    const { headCommit } = await git.addWorktree({ branch, start: plan.start, signal });
    const origin = { base: baseOf(plan, existing), baseCommit: plan.baseCommit };
    const worktree = await settle(prisma, row.id, "READY", origin);
    return { worktree, created: true, headCommit };
  } catch (error) {
    await settleFailed(deps, row.id, signal.aborted ? interrupted(branch) : error);
    throw error;
  }
}

/** A branch that an unfinished try made was branched from where that try said. */
function baseOf({ start, base, baseCommit }: WorktreePlan, existing: Worktree | null) {
  const isOurs = start.kind === "local" && existing?.baseCommit === baseCommit;
  return isOurs ? existing.base : base;
}

/** Whatever can be refused is refused here, before anything is made. */
async function makePlan(
  { prisma, repositories }: MakeDependencies,
  { repository, branch, base, baseIfNew = false, signal }: EnsureInput,
): Promise<WorktreePlan> {
  const git = repositories.open(repository);
  const taken = await otherBranches(prisma, repository.id, branch);
  try {
    // First: a branch that a killed server made for nothing yet isn't one to take up.
    await git.settleWorktree(branch, { signal });
    const plan = await planWorktree(git, repository, { branch, base, baseIfNew, taken });
    await git.assertFree(branch);
    return plan;
  } catch (error) {
    // A repository that was deleted meanwhile has taken away what git was reading.
    await prisma.$transaction((transaction) => lockUsable(transaction, repository));
    throw error;
  }
}

/** The row from which the checkout starts. A row that failed is tried again. */
function begin(
  { prisma, runnerId }: MakeDependencies,
  { repository, branch }: EnsureInput,
  path: string,
  { base, baseCommit }: WorktreePlan,
): Promise<Worktree> {
  return prisma.$transaction(async (transaction) => {
    // One at a time for the repository: of two branches that can't be together the second is refused.
    await lockUsable(transaction, repository);
    assertNoBranchConflict(branch, await otherBranches(transaction, repository.id, branch));
    const existing = await findHere(transaction, runnerId, repository.id, branch);
    if (existing !== null) {
      const { worktree, append } = await changeWorktree(transaction, existing.id, "CREATING");
      await appendEvents(transaction, [append]);
      return worktree;
    }
    const worktree = await transaction.worktree.create({
      data: {
        branch,
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

async function findHere(
  database: Database,
  runnerId: string,
  repositoryId: string,
  branch: string,
): Promise<Worktree | null> {
  return database.worktree.findUnique({
    where: { repositoryId_branch_runnerId: { repositoryId, branch, runnerId } },
  });
}

/** Of worktrees that have a row, but perhaps no ref yet. */
async function otherBranches(
  database: Database,
  repositoryId: string,
  branch: string,
): Promise<string[]> {
  const others = await database.worktree.findMany({
    where: { repositoryId, NOT: { branch } },
    select: { branch: true },
  });
  return others.map((other) => other.branch);
}

/** @throws FactoryError BRANCH_EXISTS, BASE_NOT_FOUND */
async function assertBase(
  repositories: RepositoryService,
  worktree: Worktree,
  { repository, base, baseIfNew = false }: EnsureInput,
): Promise<void> {
  if (base === undefined || baseIfNew) return;
  const git = repositories.open(repository);
  const [state, resolved] = await Promise.all([
    git.inspectWorktree(worktree.branch),
    git.resolveBase(base),
  ]);
  if (resolved.commit === state.headCommit) return;
  throw new FactoryError(
    "BRANCH_EXISTS",
    `${worktree.branch} has a worktree already, at ${state.headCommit?.slice(0, 12) ?? "no commit"}, which is not where base ${base} is: leave base out to use it, or choose another branch`,
  );
}

function interrupted(branch: string): FactoryError {
  return new FactoryError(
    "SERVICE_UNAVAILABLE",
    `the worktree of ${branch} was given up while it was made: create it again`,
  );
}
