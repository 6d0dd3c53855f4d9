// Sessions whose runner's lease has ended: another runner takes them up, where the dispatch allows that.
import { setInterval as every } from "node:timers/promises";
import type { Database, PrismaClient } from "../database/client.ts";
import { appendEvents } from "../events/append.ts";
import { Prisma, type WorkerSession } from "../generated/prisma/client.ts";
import type { Logger } from "../log.ts";
import type { WorkQueue } from "../queue/queue.ts";
import { renewalMs } from "../runners/lease.ts";
import type { Sight } from "../runners/sight.ts";
import { cancelText } from "./cancel.ts";
import { groupOf } from "./dispatch.ts";
import { queueTopic, workerTopic } from "./events.ts";
import { workerName } from "./find.ts";
import { changeWorker, lockWorker, type WorkerChange } from "./record.ts";
import { isActive, isFinal } from "./states.ts";
import { tellEnd } from "./trace.ts";

export interface LostWatchDependencies {
  readonly prisma: PrismaClient;
  readonly queue: WorkQueue;
  /** This server's own runner, which is there whatever its lease says; undefined: it has none. */
  readonly runnerId: string | undefined;
  readonly leaseSeconds: number;
  /** Is told how each look went. */
  readonly sight: Sight;
  readonly logger: Logger;
}

export interface LostWatch {
  stop(): Promise<void>;
}

/** Looks for lost sessions as often as leases are renewed. Any number of servers may do so at once. */
export function watchForLost(deps: LostWatchDependencies): LostWatch {
  const { leaseSeconds, sight, logger } = deps;
  const intervalMs = renewalMs(leaseSeconds);
  const stopping = new AbortController();
  const { signal } = stopping;
  // After an outage, of the database or of this host, all leases look ended, and their runners need the
  // time of a lease to say that they are there. By the wall clock, which a host's sleep does not stop.
  let settledSince = Date.now();
  let lookedAt = Date.now();

  async function look(): Promise<void> {
    for await (const _ of every(intervalMs, undefined, { signal })) {
      try {
        const lost = await findLost(deps);
        sight.seen();
        const now = Date.now();
        if (now - lookedAt > 2 * intervalMs) settledSince = now;
        lookedAt = now;
        if (now - settledSince > leaseSeconds * 1000) await endAll(deps, lost);
      } catch (error) {
        settledSince = Date.now();
        sight.missed();
        logger.warn({ err: error }, "lost sessions could not be looked for");
      }
    }
  }
  const looking = look().catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  return {
    async stop() {
      stopping.abort();
      await looking;
    },
  };
}

interface LostSession {
  readonly id: string;
  readonly runner: string;
}

function findLost(deps: LostWatchDependencies): Promise<LostSession[]> {
  const { prisma, runnerId, leaseSeconds } = deps;
  // A Postgres that has just started was away for every runner.
  return prisma.$queryRaw<LostSession[]>`
    SELECT session.id, runner.name AS runner
    FROM "WorkerSession" AS session JOIN "Runner" AS runner ON runner.id = session."runnerId"
    WHERE session.status IN ('PREPARING', 'RUNNING', 'WAITING') AND runner."leaseEndsAt" < now()
      AND runner.id IS DISTINCT FROM ${runnerId ?? null}::uuid
      AND pg_postmaster_start_time() < now() - ${leaseSeconds} * interval '1 s'
    ORDER BY session.number`;
}

async function endAll(
  { prisma, queue, logger }: LostWatchDependencies,
  lost: readonly LostSession[],
): Promise<void> {
  for (const { id, runner } of lost) {
    const ended = await prisma.$transaction((transaction) => endOne(transaction, queue, id));
    if (ended === undefined) continue;
    const { status } = ended;
    logger.warn({ worker: workerName(ended), status, runner }, "a worker's runner was lost");
    if (isFinal(status)) tellEnd(ended);
  }
}

async function endOne(
  transaction: Database,
  queue: WorkQueue,
  id: string,
): Promise<WorkerSession | undefined> {
  const session = await lockWorker(transaction, id);
  const runner = await silentRunner(transaction, session.runnerId);
  if (runner === undefined || !isActive(session.status)) return undefined;
  const change = lostChange(session, runner);
  const changed = await changeWorker(transaction, id, change);
  if (changed === undefined) return undefined;
  const { priority, status } = changed.session;
  if (status === "QUEUED") {
    // Under the session's id stands the job of its last taking.
    await queue.remove(transaction, id);
    // Nobody waits for their answers any more, and the new attempt's may have the same ids.
    await transaction.permissionRequest.deleteMany({ where: { sessionId: id } });
    await queue.send(transaction, { sessionId: id, priority, group: groupOf(session) });
  }
  await appendEvents(transaction, changed.appends, [queueTopic, workerTopic(id)]);
  return changed.session;
}

/** Asked anew under the session's lock: it may have renewed its lease, or another have taken it up. */
async function silentRunner(
  transaction: Database,
  runnerId: string | null,
): Promise<{ name: string; seconds: number } | undefined> {
  const [runner] = await transaction.$queryRaw<{ name: string; seconds: number }[]>`
    SELECT name, extract(epoch FROM now() - "lastSeenAt")::int AS seconds
    FROM "Runner" WHERE id = ${runnerId}::uuid AND "leaseEndsAt" < now()`;
  return runner;
}

function lostChange(
  session: Awaited<ReturnType<typeof lockWorker>>,
  runner: { readonly name: string; readonly seconds: number },
): WorkerChange {
  const silence = `its runner ${runner.name} has not been heard of for ${String(runner.seconds)} s`;
  if (session.cancelRequestedAt !== null) {
    return { status: "CANCELLED", reason: cancelText(session.cancelReason) };
  }
  const { attempt, retries, inputTokens, outputTokens, costUsd } = session;
  if (attempt > retries) return { status: "LOST", reason: silence };
  return {
    status: "QUEUED",
    reason: `${silence}: attempt ${String(attempt + 1)} of ${String(retries + 1)}`,
    // The new attempt begins with nothing of the old one; what that still writes is refused.
    data: {
      attempt: attempt + 1,
      runnerId: null,
      worktreeId: null,
      tokenHash: null,
      startCommit: null,
      reportedOutcome: null,
      summary: null,
      lostInputTokens: inputTokens ?? 0,
      lostOutputTokens: outputTokens ?? 0,
      lostCostUsd: costUsd ?? 0,
      stdoutOffset: 0,
      stderrOffset: 0,
      protocol: null,
      talk: Prisma.DbNull,
      launch: Prisma.DbNull,
    },
  };
}
