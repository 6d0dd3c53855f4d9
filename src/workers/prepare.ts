import type { PrismaClient } from "../database/client.ts";
import type { Repository, WorkerSession, Worktree } from "../generated/prisma/client.ts";
import { step } from "../measurements.ts";
import type { RepositoryService } from "../repositories/service.ts";
import type { EnsuredWorktree } from "../worktrees/make.ts";
import type { WorktreeService } from "../worktrees/service.ts";
import { fallbackBranch } from "./branch.ts";
import { assertBudgetLeft } from "./parent-budget.ts";
import { assertMayPush } from "./push-rules.ts";

export interface Prepared {
  readonly session: WorkerSession;
  readonly repository: Repository;
  readonly worktree: Worktree;
}

/** Clones where needed, fetches, and makes the worktree; each step finds what an earlier try has done. */
export async function prepare(
  deps: {
    readonly prisma: PrismaClient;
    readonly repositories: RepositoryService;
    readonly worktrees: WorktreeService;
  },
  session: WorkerSession,
  signal: AbortSignal,
): Promise<Prepared> {
  // It may have been used up while the session waited in the queue.
  await assertBudgetLeft(deps.prisma, session);
  if (session.repositoryId === null) throw new Error("the session's repository is gone");
  const repository = await deps.repositories.prepare(session.repositoryId, signal);
  const { prisma } = deps;
  const git = deps.repositories.open(repository);
  const mayPush = async (branch: string) => {
    const { push, agentPush, dispatcherId } = session;
    if (push || agentPush) await assertMayPush(prisma, git, { dispatcherId, repository, branch });
  };
  const { made, branch } = await step("worktree", {}, async (note) => {
    const made = await makeWorktree(deps.worktrees, repository, session, { mayPush, signal });
    note({ branch: made.branch, created: made.made.created });
    return made;
  });
  const { worktree } = made;
  // There is nothing to put right in one that was just made.
  const headCommit = made.created
    ? made.headCommit
    : await git.startWorktree(worktree.branch, { signal });
  const updated = await prisma.workerSession.update({
    where: { id: session.id },
    data: { worktreeId: worktree.id, branch, startCommit: headCommit },
  });
  return { session: updated, repository, worktree };
}

async function makeWorktree(
  worktrees: WorktreeService,
  repository: Repository,
  session: WorkerSession,
  { mayPush, signal }: { mayPush: (branch: string) => Promise<void>; signal: AbortSignal },
): Promise<{ made: EnsuredWorktree; branch: string }> {
  const { branch, branchGiven, base, number, previousId, attempt } = session;
  const common = {
    repository,
    base: base ?? undefined,
    // A retry, or a further attempt, goes on in its predecessor's branch, which has moved on from its base.
    baseIfNew: previousId !== null || attempt > 1,
    signal,
  };
  try {
    // A default name that is taken is given up below.
    if (branchGiven || attempt > 1) await mayPush(branch);
    const made = await worktrees.ensure({
      ...common,
      branch,
      review: ({ branchExists }) => {
        if (branchExists && !branchGiven && attempt === 1) throw new DefaultBranchTaken();
      },
    });
    return { made, branch };
  } catch (error) {
    if (!(error instanceof DefaultBranchTaken)) throw error;
    const other = fallbackBranch(branch, number);
    await mayPush(other);
    const made = await worktrees.ensure({ ...common, branch: other });
    return { made, branch: other };
  }
}

/** A default name must not take up somebody's branch. */
class DefaultBranchTaken extends Error {}
