// Rows and folders of this runner's worktrees, put right where they don't fit each other.
import { FactoryError } from "../errors.ts";
import { appendEvents } from "../events/append.ts";
import type { PrismaClient } from "../database/client.ts";
import type { Repository, Worktree } from "../generated/prisma/client.ts";
import type { RepositoryService } from "../repositories/service.ts";
import { changeWorktree } from "./record.ts";
import { lockTaking, occupying } from "./remove.ts";
import { brokenFailure, settleLeftover } from "./settle.ts";

export interface SweepDependencies {
  readonly prisma: PrismaClient;
  readonly repositories: RepositoryService;
  readonly runnerId: string;
  /** Runs while nobody makes or removes the branch's worktree; not at all where somebody does just now. */
  readonly ifIdle: <T>(
    repositoryId: string,
    branch: string,
    run: () => Promise<T>,
  ) => Promise<T | undefined>;
}

/** @returns what was done, and what can't be done without losing work, a line each. */
export async function sweepWorktrees(
  deps: SweepDependencies,
  repository: Repository,
): Promise<string[]> {
  const { prisma, repositories, runnerId, ifIdle } = deps;
  if (repository.status === "REMOVING") return [];
  const git = repositories.open(repository);
  if (!(await git.exists())) return [];
  // Before the rows: a folder that came after them would be taken for one without a row.
  const { branches, strays } = await git.listWorktreeFolders();
  const rows = await prisma.worktree.findMany({
    where: { repositoryId: repository.id, runnerId },
    orderBy: { id: "asc" },
  });
  const known = new Set(rows.map(({ branch }) => branch));
  const lines: (string | undefined)[] = [];
  for (const { id, branch } of rows) {
    lines.push(await ifIdle(repository.id, branch, () => sweepRow(deps, repository, id)));
  }
  for (const branch of branches.filter((name) => !known.has(name))) {
    lines.push(await ifIdle(repository.id, branch, () => sweepFolder(deps, repository, branch)));
  }
  const paths = rows.map(({ path }) => path);
  for (const stray of strays) {
    if (paths.some((path) => path === stray || stray.startsWith(`${path}/`))) continue;
    lines.push(`Left ${stray}: it holds files, but isn't a worktree; move away what is needed.`);
  }
  lines.push(...(await git.sweep({ keep: [...known] })));
  return lines.filter((line) => line !== undefined);
}

async function sweepRow(
  deps: SweepDependencies,
  repository: Repository,
  id: string,
): Promise<string | undefined> {
  const { prisma, repositories } = deps;
  const found = await prisma.worktree.findUnique({ where: { id } });
  if (found === null) return undefined;
  const settled = await settleLeftover(prisma, found);
  if (settled.status !== found.status) {
    return `Marked ${label(repository, found)} as FAILED: it was left in the middle (${found.status}).`;
  }
  if (found.status !== "READY") return undefined;
  const git = repositories.open(repository);
  if (await git.isWhole(found.branch)) return undefined;
  if (!(await failBroken(prisma, found))) return undefined;
  return `Marked ${label(repository, found)} as FAILED: its folder is gone, or git doesn't know it any more; its branch is untouched.`;
}

/**
 * The row stays: it tells what happened, and creating the worktree again checks out its branch with all
 * commits. A session that is about to start in it, or works in it, finds out for itself.
 */
function failBroken(prisma: PrismaClient, worktree: Worktree): Promise<boolean> {
  const { id, repositoryId, branch, runnerId } = worktree;
  return prisma.$transaction(async (transaction) => {
    await lockTaking(transaction);
    const occupied = await transaction.workerSession.findFirst({
      where: { repositoryId, branch, runnerId, status: { in: [...occupying] } },
      select: { id: true },
    });
    const now = await transaction.worktree.findUnique({ where: { id } });
    if (occupied !== null || now?.status !== "READY") return false;
    const { append } = await changeWorktree(transaction, id, "FAILED", brokenFailure(worktree));
    await appendEvents(transaction, [append]);
    return true;
  });
}

/** A folder without a row. Its branch stays in any case. */
async function sweepFolder(
  { prisma, repositories, runnerId }: SweepDependencies,
  repository: Repository,
  branch: string,
): Promise<string | undefined> {
  const { id: repositoryId } = repository;
  const row = await prisma.worktree.findUnique({
    where: { repositoryId_branch_runnerId: { repositoryId, branch, runnerId } },
    select: { id: true },
  });
  if (row !== null) return undefined;
  const git = repositories.open(repository);
  const what = `${git.worktreePath(branch)}, which no worktree in the database has`;
  try {
    await git.removeWorktree({ branch, force: false, deleteBranch: false });
    return `Removed ${what}: nothing in it was lost.`;
  } catch (error) {
    if (!(error instanceof FactoryError)) throw error;
    return `Left ${what}: ${error.message}.`;
  }
}

function label({ owner, name }: Repository, { branch }: Worktree): string {
  return `the worktree of ${branch} in ${owner}/${name}`;
}
