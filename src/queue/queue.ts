// The only place that calls pg-boss. Sending and taking happen inside the caller's transaction, so that a
// session and its job are there together or not at all.
import type { PoolConfig } from "pg";
import { fromPrisma, PgBoss, type ConstructorOptions } from "pg-boss";
import type { Database } from "../database/client.ts";
import { PoolClient } from "../database/pool-client.ts";
import type { Logger } from "../log.ts";
import { createCallQueue, type CallQueue } from "./call-queue.ts";
import { endSchedule, startSchedule, type Schedule } from "./schedule.ts";
import { createWakeQueue, type WakeQueue } from "./wake-queue.ts";

export type { Schedule } from "./schedule.ts";

const queueName = "worker-sessions";
/** For supervision and calls of runners: sessions are queued and taken over the callers' own connections. */
const connections = 4;
const stopTimeoutMs = 5_000;
/** How long a finished job's row is kept: the session's own row is the record. */
const keepFinishedSeconds = 3600;

export interface QueuedSession {
  readonly sessionId: string;
  readonly priority: number;
  /** Sessions of one group wait for the same thing: see `take`. */
  readonly group: string;
}

export interface TakenSession {
  readonly sessionId: string;
  /** How long it was in line, by the database's clock. */
  readonly waitedMs: number;
}

export interface WorkQueue {
  /** Queues the session when the transaction commits. */
  send(transaction: Database, session: QueuedSession): Promise<void>;
  /**
   * Takes the first session in line, by priority and then age, that is in none of the groups. When the
   * transaction is rolled back, or its server dies, the session is in line again as if never taken.
   */
  take(transaction: Database, exceptGroups: readonly string[]): Promise<TakenSession | undefined>;
  /** Takes a session out of the line; one that isn't in it is no error. */
  remove(transaction: Database, sessionId: string): Promise<void>;
  /** Runs it at its times, from now until `stop`; the times themselves stay, for the next start. */
  schedule(schedule: Schedule): Promise<void>;
  /** Forgets the times. */
  unschedule(name: string): Promise<void>;
  readonly calls: CallQueue;
  /** By parent session's id: whose changes are to be delivered. */
  readonly webhooks: WakeQueue;
  /** Rejects where the queue can't be reached. */
  check(): Promise<void>;
  stop(): Promise<void>;
}

export async function startQueue(url: string, logger: Logger): Promise<WorkQueue> {
  // It hands all of it on to its pool.
  const options: ConstructorOptions & Pick<PoolConfig, "Client"> = {
    Client: PoolClient,
    connectionString: url,
    application_name: "factory-queue",
    max: connections,
  };
  const boss = new PgBoss(options);
  boss.on("error", (error) => {
    logger.warn({ err: asError(error) }, "the queue reported an error");
  });
  await boss.start();
  await boss.createQueue(queueName, {
    // A taken job is completed in the transaction that takes it: it is never retried.
    retryLimit: 0,
    deleteAfterSeconds: keepFinishedSeconds,
    // Waiting has no end of its own.
    retentionSeconds: 10 * 365 * 24 * 3600,
  });
  const webhooks = await createWakeQueue(boss, "parent-webhooks");

  return {
    calls: createCallQueue(boss),
    webhooks,
    async send(transaction, { sessionId, priority, group }) {
      await boss.send(queueName, null, {
        id: sessionId,
        priority,
        group: { id: group },
        db: fromPrisma(transaction),
      });
    },
    async take(transaction, exceptGroups) {
      const db = fromPrisma(transaction);
      const [job] = await boss.fetch(queueName, {
        db,
        ignoreGroups: [...exceptGroups],
        includeMetadata: true,
      });
      if (job === undefined) return undefined;
      const { id: sessionId, createdOn, startedOn } = job;
      await boss.complete(queueName, sessionId, null, { db });
      return { sessionId, waitedMs: startedOn.getTime() - createdOn.getTime() };
    },
    async remove(transaction, sessionId) {
      await boss.deleteJob(queueName, sessionId, { db: fromPrisma(transaction) });
    },
    schedule: (schedule) => startSchedule(boss, schedule, logger),
    unschedule: (name) => endSchedule(boss, name),
    async check() {
      await boss.getQueue(queueName);
    },
    async stop() {
      await boss.stop({ graceful: true, timeout: stopTimeoutMs });
    },
  };
}

/** What its workers tell is a plain object with the facts of an error. */
function asError(told: object): Error {
  return told instanceof Error ? told : Object.assign(new Error("the queue failed"), told);
}
