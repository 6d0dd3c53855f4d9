import type { PrismaClient } from "../database/client.ts";
import { FactoryError } from "../errors.ts";
import { appendEvents } from "../events/append.ts";
import type { WorkerSession } from "../generated/prisma/client.ts";
import type { ReportOutcome } from "../generated/prisma/enums.ts";
import { checkText } from "../text.ts";
import { lockWorker, tellBoth, workerEvent } from "./record.ts";
import type { Redact } from "./secrets.ts";
import { isActive } from "./states.ts";

const longestReportBytes = 100_000;

/** Tells the worker's parent something; the last outcome told decides at the process's exit. */
export async function reportWorker(
  prisma: PrismaClient,
  id: string,
  { message: given, outcome }: { message: string; outcome: ReportOutcome | null },
  redact: Redact,
): Promise<WorkerSession> {
  checkText("message", given, { longestBytes: longestReportBytes, lines: true });
  const message = redact(given);
  return prisma.$transaction(async (transaction) => {
    const session = await lockWorker(transaction, id);
    if (!isActive(session.status)) {
      throw new FactoryError(
        "WORKER_NOT_RUNNING",
        "the session has ended: it can't report any more",
      );
    }
    const updated = await transaction.workerSession.update({
      where: { id },
      data: { summary: message, ...(outcome === null ? {} : { reportedOutcome: outcome }) },
    });
    const { status, statusReason: reason } = session;
    const event = workerEvent("report", { message, outcome });
    await appendEvents(
      transaction,
      tellBoth(session, event, {
        previousStatus: status,
        status,
        reason,
        report: message,
        outcome,
      }),
    );
    return updated;
  });
}
