import { forbidden, type Viewer } from "../access/viewer.ts";
import type { Database } from "../database/client.ts";
import type { Repository } from "../generated/prisma/client.ts";
import type { RepositoryService } from "../repositories/service.ts";
import { areOthersAlone } from "../worktrees/others.ts";
import { workerName } from "./find.ts";
import { issueNumber, type DispatchInput } from "./input.ts";

export interface BranchChoice {
  readonly input: DispatchInput;
  readonly repository: Repository;
  readonly number: number;
}

/**
 * The branch of a dispatch that names none: issue-42, or the session's name; where that exists already,
 * with the session's name behind it. The remote may turn out to have it too, see `fallbackBranch`.
 */
export async function chooseBranch(
  deps: { readonly repositories: RepositoryService },
  transaction: Database,
  { input, repository, number }: BranchChoice,
): Promise<string> {
  const issue = input.issue === undefined ? undefined : issueNumber(input.issue);
  if (issue === undefined) return workerName({ number });
  const branch = `issue-${issue}`;
  const taken =
    (await isKnown(transaction, repository.id, branch)) ||
    (await isInGit(deps.repositories, repository, branch));
  return taken ? fallbackBranch(branch, number) : branch;
}

/**
 * A worker's token reaches no sibling: neither the worktree that one works in, nor what it has left there. A
 * branch on which one of its own has worked is its own too.
 * @throws FactoryError FORBIDDEN
 */
export async function assertNotOthersBranch(
  transaction: Database,
  viewer: Viewer,
  { repositoryId, branch }: { readonly repositoryId: string; readonly branch: string },
): Promise<void> {
  if (viewer.kind === "operator") return;
  const reaching = [{ finishedAt: null }, { worktreeId: { not: null } }];
  if (!(await areOthersAlone(transaction, viewer, { repositoryId, branch, OR: reaching }))) return;
  throw forbidden("another session works on that branch, or has worked there: choose another one");
}

export function fallbackBranch(branch: string, number: number): string {
  return `${branch}-${workerName({ number })}`;
}

async function isKnown(transaction: Database, repositoryId: string, branch: string) {
  const [worktree, session] = await Promise.all([
    transaction.worktree.findFirst({ where: { repositoryId, branch }, select: { id: true } }),
    transaction.workerSession.findFirst({
      where: { repositoryId, branch, finishedAt: null },
      select: { id: true },
    }),
  ]);
  return worktree !== null || session !== null;
}

async function isInGit(repositories: RepositoryService, repository: Repository, branch: string) {
  // Elsewhere it is found out when the worktree is made.
  if (repository.lastSyncedAt === null || !repositories.isHome(repository)) return false;
  return repositories.open(repository).hasBranch(branch);
}
