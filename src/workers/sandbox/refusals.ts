// What a worker was refused by its network, in its stream and counted on its session.
import type { PrismaClient } from "../../database/client.ts";
import { appendEvents } from "../../events/append.ts";
import type { Prisma, WorkerSession } from "../../generated/prisma/client.ts";
import type { Refusal } from "../../sandbox/network/refusals.ts";
import { workerTopic, type WorkerBlockedPayload } from "../events.ts";
import { lockWorker, workerEvent } from "../record.ts";
import type { Redact } from "../secrets.ts";
import { isActive } from "../states.ts";

interface StoredRefusal extends WorkerBlockedPayload {
  /** Without this host the agent can do nothing. */
  readonly isNeeded?: true;
}

/**
 * Called once for each host and port. Nothing is told of a session that has ended.
 * @param isNeeded whether the agent can do nothing without the host, so that the session is to be ended
 */
export async function recordRefusal(
  prisma: PrismaClient,
  { id, attempt }: Pick<WorkerSession, "id" | "attempt">,
  { host, port, reason }: Refusal,
  { redact, isNeeded }: { readonly redact: Redact; readonly isNeeded: boolean },
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
      data: {
        blocked: [...known, isNeeded ? { ...blocked, isNeeded } : blocked].map((one) => ({
          ...one,
        })),
      },
    });
    const event = workerEvent("blocked", blocked);
    await appendEvents(
      transaction,
      [{ streamId: session.streamId, events: [event] }],
      isNeeded ? [workerTopic(id)] : [],
    );
  });
}

/** Written above alone. */
export function readBlocked(stored: Prisma.JsonValue): StoredRefusal[] {
  return stored as unknown as StoredRefusal[];
}

/** A host that the agent was refused and can do nothing without; undefined: none. */
export function findNeededHost({ blocked }: Pick<WorkerSession, "blocked">): string | undefined {
  return readBlocked(blocked).find(({ isNeeded }) => isNeeded === true)?.host;
}
