// Worktrees that can be made again at any time go when the disk's budget is spent, and nothing else.
import { join } from "node:path";
import { counted } from "../counted.ts";
import type { Prisma } from "../generated/prisma/client.ts";
import { measureFolders } from "../process/disk-usage.ts";
import { step, type MaintenanceDependencies } from "./task.ts";

export async function keepDiskBudget(
  deps: MaintenanceDependencies,
  signal: AbortSignal,
): Promise<string[]> {
  const { home, diskBudget: budget, logger } = deps;
  if (budget === undefined)
    return ["No disk budget is set (FACTORY_DISK_BUDGET): nothing was done."];
  const folders = [join(home, "repositories"), join(home, "worktrees")];
  const before = await measureFolders(folders, signal);
  if (before <= budget) return [];
  const lines = [
    `Clones and worktrees take ${show(before)}, more than the budget of ${show(budget)}.`,
  ];
  let used = before;
  const kept = { withWork: 0, inUse: 0 };
  for (const candidate of await findCandidates(deps)) {
    if (used <= budget) break;
    signal.throwIfAborted();
    if (candidate.isInUse) {
      kept.inUse += 1;
      continue;
    }
    const { id, label, path, lastUsedAt } = candidate;
    const done = await step(logger, `Removing ${label}`, async () => {
      const size = await measureFolders([path], signal);
      // By the rule of every removal without force: nothing that is nowhere else goes.
      if (!(await deps.worktrees.cleanUp(id))) {
        kept.withWork += 1;
        return [];
      }
      used -= size;
      return [
        `Removed ${label} (${show(size)}), last used at ${lastUsedAt.toISOString()}: all of its work is on the remote.`,
      ];
    });
    lines.push(...done);
  }
  if (used <= budget) return lines;
  const left = await measureFolders(folders, signal);
  if (left <= budget) return lines;
  const reasons = [
    ...(kept.withWork > 0
      ? [`${counted(kept.withWork, "worktree")} with work that is not on the remote`]
      : []),
    ...(kept.inUse > 0 ? [`${counted(kept.inUse, "worktree")} in use or asked for`] : []),
    "the clones themselves",
  ];
  return [
    ...lines,
    `The budget can't be met: ${show(left)} are left, by ${reasons.join(", ")}. Push or delete what is not needed, or raise FACTORY_DISK_BUDGET.`,
  ];
}

interface Candidate {
  readonly id: string;
  readonly label: string;
  readonly path: string;
  readonly lastUsedAt: Date;
  readonly isInUse: boolean;
}

/** This runner's worktrees, the one that was used longest ago first. */
async function findCandidates({
  prisma,
  runnerId,
  isUnderway,
}: MaintenanceDependencies): Promise<Candidate[]> {
  const worktrees = await prisma.worktree.findMany({
    where: { runnerId, status: { in: ["READY", "RUNNING"] } },
    include: { repository: true },
  });
  const candidates: Candidate[] = [];
  for (const { id, path, branch, repositoryId, repository, status, createdAt } of worktrees) {
    const ofBranch = { repositoryId, branch } satisfies Prisma.WorkerSessionWhereInput;
    const [unfinished, latest] = await Promise.all([
      prisma.workerSession.findFirst({
        where: { ...ofBranch, finishedAt: null },
        select: { id: true },
      }),
      prisma.workerSession.findFirst({
        where: { ...ofBranch, finishedAt: { not: null } },
        orderBy: { finishedAt: "desc" },
        select: { id: true, finishedAt: true },
      }),
    ]);
    candidates.push({
      id,
      path,
      label: `the worktree of ${branch} in ${repository.owner}/${repository.name}`,
      lastUsedAt: latest?.finishedAt ?? createdAt,
      isInUse:
        status === "RUNNING" || unfinished !== null || (latest !== null && isUnderway(latest.id)),
    });
  }
  return candidates.toSorted((a, b) => a.lastUsedAt.getTime() - b.lastUsedAt.getTime());
}

const units = ["bytes", "KiB", "MiB", "GiB", "TiB"] as const;

function show(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? String(value) : value.toFixed(1)} ${units[unit] ?? ""}`;
}
