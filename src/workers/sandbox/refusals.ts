// What a worker was refused by its network, in its stream and counted on its session.
import type { PrismaClient } from "../../database/client.ts";
import { appendEvents } from "../../events/append.ts";
import type { Prisma, WorkerSession } from "../../generated/prisma/client.ts";
import type { Refusal } from "../../sandbox/network/refusals.ts";
import type { WorkerBlockedPayload } from "../events.ts";
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
    const blocked = { host: redact(host), port, reason };
    const known = readBlocked(session.blocked);
    // Told before, by a server that was killed since.
    if (known.some((one) => one.host === blocked.host && one.port === port)) return;
    await transaction.workerSession.update({
      where: { id },
      data: { blocked: [...known, blocked].map((one) => ({ ...one })) },
    });
    const event = workerEvent("blocked", blocked);
    await appendEvents(transaction, [{ streamId: session.streamId, events: [event] }]);
  });
}

/** Written above alone. */
export function readBlocked(stored: Prisma.JsonValue): WorkerBlockedPayload[] {
  return stored as unknown as WorkerBlockedPayload[];
}
