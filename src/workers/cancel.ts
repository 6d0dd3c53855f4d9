import type { PrismaClient } from "../database/client.ts";
import { appendEvents } from "../events/append.ts";
import type { WorkerSession } from "../generated/prisma/client.ts";
import type { WorkQueue } from "../queue/queue.ts";
import { lockTaking } from "../worktrees/remove.ts";
import { queueTopic, workerTopic } from "./events.ts";
import { changeWorker, lockWorker } from "./record.ts";
import { isFinal } from "./states.ts";

/**
 * Records the intent, which beats a later exit 0, and returns. A queued session ends at once; one that
 * runs is ended by its runner, which the topic wakes. An ended one stays as it is.
 */
export async function cancelWorker(
  deps: { readonly prisma: PrismaClient; readonly queue: WorkQueue },
  id: string,
  reason: string | undefined,
): Promise<WorkerSession> {
  return deps.prisma.$transaction(async (transaction) => {
    // Whoever takes a session locks its job first and its row then: in the other order, each could wait for the other.
    await lockTaking(transaction);
    const session = await lockWorker(transaction, id);
    if (isFinal(session.status) || session.cancelRequestedAt !== null) return session;
    const intent = { cancelRequestedAt: new Date(), cancelReason: reason ?? null };
    if (session.status === "QUEUED") {
      await deps.queue.remove(transaction, id);
      const changed = await changeWorker(transaction, id, {
        status: "CANCELLED",
        reason: cancelText(reason),
        data: intent,
      });
      if (changed === undefined) return session;
      await appendEvents(transaction, changed.appends, [queueTopic]);
      return changed.session;
    }
    const cancelled = await transaction.workerSession.update({ where: { id }, data: intent });
    await appendEvents(transaction, [], [workerTopic(id)]);
    return cancelled;
  });
}

export function cancelText(reason: string | null | undefined): string {
  return reason === null || reason === undefined ? "cancelled" : `cancelled: ${reason}`;
}
