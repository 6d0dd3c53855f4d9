// A worker's HOME in a sandbox: it lives as long as its conversation, which an agent keeps there.
import path from "node:path";
import type { PrismaClient } from "../../database/client.ts";
import type { WorkerSession } from "../../generated/prisma/client.ts";

/** Longer chains of follow-ups begin a HOME anew. */
const maxFollowUps = 1_000;

type Link = Pick<WorkerSession, "id" | "isFollowUp" | "previousId">;

/** Of the session that began the conversation, in a folder of the worktree's: it goes when the worktree does. */
export async function findHome(
  prisma: PrismaClient,
  factoryHome: string,
  session: Link & { readonly worktreeId: string },
): Promise<string> {
  let link: Link = session;
  for (let count = 0; count < maxFollowUps; count += 1) {
    if (!link.isFollowUp || link.previousId === null) break;
    const previous = await prisma.workerSession.findUnique({
      where: { id: link.previousId },
      select: { id: true, isFollowUp: true, previousId: true },
    });
    if (previous === null) break;
    link = previous;
  }
  return path.join(factoryHome, "homes", session.worktreeId, link.id);
}
