// What a worker was refused by its network, in its stream and counted on its session.
import type { PrismaClient } from "../../database/client.ts";
import { appendEvents } from "../../events/append.ts";
import type { WorkerSession } from "../../generated/prisma/client.ts";
import type { Refusal } from "../../sandbox/network/refusals.ts";
import { lockWorker, workerEvent } from "../record.ts";
import type { Redact } from "../secrets.ts";
import { isActive } from "../states.ts";

/** Called once for each host and port. Nothing is told of a session that has ended. */
export async function recordRefusal(
  prisma: PrismaClient,
  { id, attempt }: Pick<WorkerSession, "id" | "attempt">,
  { host, port, reason }: Refusal,
  redact: Redact,
): Promise<void> {
  await prisma.$transaction(async (transaction) => {
    const session = await lockWorker(transaction, id);
    if (!isActive(session.status) || session.attempt !== attempt) return;
    await transaction.workerSession.update({
      where: { id },
      data: { blockedCount: { increment: 1 } },
    });
    const event = workerEvent("blocked", { host: redact(host), port, reason });
    await appendEvents(transaction, [{ streamId: session.streamId, events: [event] }]);
  });
}
