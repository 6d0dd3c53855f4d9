// Rows that say that a clone, a fetch or a removal is under way which nobody works on: its server was killed, or
// its outcome could not be recorded.
import type { PrismaClient } from "../database/client.ts";
import type { RepositoryStatus } from "../generated/prisma/enums.ts";
import type { Cloner } from "./clone.ts";
import { changeRepository, lockRepository } from "./record.ts";
import type { Remover } from "./remove.ts";
import type { Syncer } from "./sync.ts";

export interface RepositorySweep {
  readonly prisma: PrismaClient;
  readonly cloner: Cloner;
  readonly syncer: Syncer;
  readonly remover: Remover;
}

export async function sweepRepositories(
  deps: RepositorySweep,
  runnerId: string,
): Promise<string[]> {
  const { prisma, cloner } = deps;
  const lines: string[] = [];
  const busy = await prisma.repository.findMany({
    where: { status: { in: ["CLONING", "SYNCING", "REMOVING"] }, runnerId },
    orderBy: { id: "asc" },
  });
  for (const repository of busy) {
    const { id, owner, name, status } = repository;
    if (status === "CLONING") {
      if (cloner.isUnderway(id)) continue;
      void cloner.start(repository);
      lines.push(`Went on with the clone of ${owner}/${name}, whose outcome was not recorded.`);
    } else if (await failLost(deps, id, status)) {
      lines.push(`Marked ${owner}/${name} as FAILED: it was left ${status}.`);
    }
  }
  return lines;
}

const lostReasons: Partial<Record<RepositoryStatus, string>> = {
  SYNCING: "the outcome of the last fetch was not recorded: sync again",
  REMOVING: "its removal did not end: delete it again",
};

async function failLost(
  { prisma, syncer, remover }: RepositorySweep,
  id: string,
  status: RepositoryStatus,
): Promise<boolean> {
  return prisma.$transaction(async (transaction) => {
    const row = await lockRepository(transaction, id);
    // A fetch and a removal write the status under the same lock, and are known to be under way before that.
    if (row?.status !== status || syncer.isUnderway(id) || remover.isUnderway(id)) return false;
    const error = lostReasons[status] ?? null;
    await changeRepository(transaction, id, {
      status: "FAILED",
      message: error ?? undefined,
      data: { failureCode: "SERVICE_UNAVAILABLE", error },
    });
    return true;
  });
}
