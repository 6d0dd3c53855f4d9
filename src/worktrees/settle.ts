// A worktree's status in a transaction of its own, for steps that stand alone.
import type { PrismaClient } from "../database/client.ts";
import { appendEvents } from "../events/append.ts";
import { describeFailure } from "../failure.ts";
import type { Worktree } from "../generated/prisma/client.ts";
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

export async function settleFailed(
  { prisma, logger }: { readonly prisma: PrismaClient; readonly logger: Logger },
  id: string,
  error: unknown,
): Promise<void> {
  const { code, message } = describeFailure(error, logger);
  await settle(prisma, id, "FAILED", { failureCode: code, error: message });
}
