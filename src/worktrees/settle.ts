// A worktree's status in a transaction of its own, for steps that stand alone.
import type { PrismaClient } from "../database/client.ts";
import { isOutage } from "../database/errors.ts";
import { appendEvents } from "../events/append.ts";
import { describeFailure } from "../database/failure.ts";
import type { Worktree } from "../generated/prisma/client.ts";
import type { GitRepository } from "../git/git.ts";
import type { Logger } from "../log.ts";
import { changeWorktree } from "./record.ts";

export async function settle(
  prisma: PrismaClient,
  id: string,
  status: "READY" | "FAILED",
  data: Parameters<typeof changeWorktree>[3] = {},
): Promise<Worktree> {
  return prisma.$transaction(async (transaction) => {
    const { worktree, append } = await changeWorktree(transaction, id, status, data);
    await appendEvents(transaction, [append]);
    return worktree;
  });
}

/**
 * Under the branch's lock nobody makes or removes it: a row that says so is what is left of a try whose
 * outcome could not be recorded, or of a server that was killed.
 */
export async function settleLeftover(prisma: PrismaClient, worktree: Worktree): Promise<Worktree> {
  if (worktree.status !== "CREATING" && worktree.status !== "REMOVING") return worktree;
  return settle(prisma, worktree.id, "FAILED", {
    failureCode: "SERVICE_UNAVAILABLE",
    error: "it was left in the middle, by a stop or an outage: create or delete it again",
  });
}

/** What a row says of a worktree whose folder somebody has deleted or moved. */
export function brokenFailure({ path }: Pick<Worktree, "path">) {
  return {
    failureCode: "WORKTREE_NOT_FOUND",
    error: `${path} isn't there any more as a worktree: somebody has deleted or moved it; create it again to get it back from its branch, or delete it`,
  };
}

/** Under the branch's lock, for whoever wants to use the worktree: one that is broken can be made again. */
export async function settleBroken(
  prisma: PrismaClient,
  git: Pick<GitRepository, "isWhole">,
  worktree: Worktree,
): Promise<Worktree> {
  if (worktree.status !== "READY" || (await git.isWhole(worktree.branch))) return worktree;
  return settle(prisma, worktree.id, "FAILED", brokenFailure(worktree));
}

export async function settleFailed(
  { prisma, logger }: { readonly prisma: PrismaClient; readonly logger: Logger },
  id: string,
  error: unknown,
): Promise<void> {
  const record = (reason: unknown) => {
    const { code, message } = describeFailure(reason, logger);
    return settle(prisma, id, "FAILED", { failureCode: code, error: message });
  };
  try {
    await record(error);
  } catch (refusal) {
    if (isOutage(refusal)) throw refusal;
    // What the database refuses for good is told in its place.
    await record(refusal);
  }
}
