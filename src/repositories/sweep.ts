// Rows that say that a clone or a fetch is under way which nobody works on: an outage kept its outcome from
// being recorded.
import type { PrismaClient } from "../database/client.ts";
import type { Cloner } from "./clone.ts";
import { changeRepository, lockRepository } from "./record.ts";
import type { Syncer } from "./sync.ts";

export async function sweepRepositories(
  deps: { readonly prisma: PrismaClient; readonly cloner: Cloner; readonly syncer: Syncer },
  runnerId: string,
): Promise<string[]> {
  const { prisma, cloner } = deps;
  const lines: string[] = [];
  const busy = await prisma.repository.findMany({
    where: { status: { in: ["CLONING", "SYNCING"] }, runnerId },
    orderBy: { id: "asc" },
  });
  for (const repository of busy) {
    const { id, owner, name, status } = repository;
    if (status === "CLONING") {
      if (cloner.isUnderway(id)) continue;
      void cloner.start(repository);
      lines.push(`Went on with the clone of ${owner}/${name}, whose outcome was not recorded.`);
    } else if (await failLostSync(deps, id)) {
      lines.push(`Marked ${owner}/${name} as FAILED: the outcome of a fetch was not recorded.`);
    }
  }
  return lines;
}

async function failLostSync(
  { prisma, syncer }: { readonly prisma: PrismaClient; readonly syncer: Syncer },
  id: string,
): Promise<boolean> {
  return prisma.$transaction(async (transaction) => {
    const row = await lockRepository(transaction, id);
    // A fetch writes SYNCING under the same lock, and is known to be under way before that.
    if (row?.status !== "SYNCING" || syncer.isUnderway(id)) return false;
    const error = "the outcome of the last fetch could not be recorded: sync again";
    await changeRepository(transaction, id, {
      status: "FAILED",
      message: error,
      data: { failureCode: "SERVICE_UNAVAILABLE", error },
    });
    return true;
  });
}
