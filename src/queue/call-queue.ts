// What servers ask of each other's runners, as jobs: one queue for each runner.
import type { PgBoss } from "pg-boss";

/** A call that nobody took within this time is dropped: who made it has long given up. */
const expireSeconds = 3600;
/** An answer that nobody read is removed after this. */
const keepAnswersSeconds = 300;
const mostAtOnce = 20;

export interface QueuedCall {
  readonly id: string;
  readonly method: string;
  /** JSON, as its sender made it. */
  readonly input: unknown;
}

export interface CallQueue {
  /** Makes the runner's queue, and empties it: what was asked of an earlier process has been given up. */
  open(runnerId: string): Promise<void>;
  /** @returns the call's id. */
  send(runnerId: string, call: Omit<QueuedCall, "id">): Promise<string>;
  /** Each call is handed out once. */
  take(runnerId: string): Promise<QueuedCall[]>;
  answer(runnerId: string, id: string, answer: object): Promise<void>;
  /** undefined: not answered yet. */
  readAnswer(runnerId: string, id: string): Promise<object | undefined>;
  /** Removes a call and its answer; one that was not taken will not be. */
  forget(runnerId: string, id: string): Promise<void>;
}

export function createCallQueue(boss: PgBoss): CallQueue {
  const nameOf = (runnerId: string) => `runner-${runnerId}`;
  return {
    async open(runnerId) {
      await boss.createQueue(nameOf(runnerId), {
        retryLimit: 0,
        expireInSeconds: expireSeconds,
        deleteAfterSeconds: keepAnswersSeconds,
        retentionSeconds: expireSeconds,
      });
      await boss.deleteQueuedJobs(nameOf(runnerId));
    },
    async send(runnerId, { method, input }) {
      const id = await boss.send(nameOf(runnerId), { method, input });
      if (id === null) throw new Error("the call was not queued");
      return id;
    },
    async take(runnerId) {
      const jobs = await boss.fetch<{ method: string; input: unknown }>(nameOf(runnerId), {
        batchSize: mostAtOnce,
      });
      return jobs.map(({ id, data }) => ({ id, method: data.method, input: data.input }));
    },
    async answer(runnerId, id, answer) {
      await boss.complete(nameOf(runnerId), id, answer);
    },
    async readAnswer(runnerId, id) {
      const [job] = await boss.findJobs(nameOf(runnerId), { id });
      if (job?.state !== "completed") return undefined;
      return job.output;
    },
    async forget(runnerId, id) {
      await boss.deleteJob(nameOf(runnerId), id);
    },
  };
}
