// Work that is done for one thing at a time, such as a parent's deliveries: a job says no more than that the
// thing is to be looked at, and when.
import { fromPrisma, type PgBoss } from "pg-boss";
import type { Database } from "../database/client.ts";

const keepFinishedSeconds = 3600;

export interface WakeQueue {
  /** Each of the things is looked at, now or when its waiting job is due: one waits at most. */
  wake(keys: readonly string[]): Promise<void>;
  /** When the transaction commits: it is looked at then at the earliest, unless a job waits already. */
  wakeAfter(transaction: Database, key: string, seconds: number): Promise<void>;
  /** Takes those that are due, oldest first. Undone with the transaction. */
  take(transaction: Database, most: number): Promise<string[]>;
  /** Removes what waits, due or not. */
  forget(transaction: Database, key: string): Promise<void>;
}

export async function createWakeQueue(boss: PgBoss, name: string): Promise<WakeQueue> {
  await boss.createQueue(name, {
    // One waiting job for each key at most; whether somebody works on it already isn't its business.
    policy: "short",
    // A taken job is completed in the transaction that takes it: it is never retried.
    retryLimit: 0,
    deleteAfterSeconds: keepFinishedSeconds,
  });
  return {
    async wake(keys) {
      if (keys.length === 0) return;
      await boss.insert(
        name,
        keys.map((singletonKey) => ({ singletonKey })),
      );
    },
    async wakeAfter(transaction, key, seconds) {
      await boss.send(name, null, {
        singletonKey: key,
        startAfter: seconds,
        db: fromPrisma(transaction),
      });
    },
    async take(transaction, most) {
      const db = fromPrisma(transaction);
      const jobs = await boss.fetch(name, { db, batchSize: most, includeMetadata: true });
      if (jobs.length === 0) return [];
      await boss.complete(
        name,
        jobs.map(({ id }) => id),
        null,
        { db },
      );
      return jobs.flatMap(({ singletonKey }) => singletonKey ?? []);
    },
    async forget(transaction, key) {
      const db = fromPrisma(transaction);
      const jobs = await boss.findJobs(name, { db, key, queued: true });
      if (jobs.length > 0) {
        await boss.deleteJob(
          name,
          jobs.map(({ id }) => id),
          { db },
        );
      }
    },
  };
}
