// Starts Postgres again when it ends, on the same data and under the same address.
import { createBackoff } from "../../backoff.ts";
import type { Layout } from "./layout.ts";
import type { RunningPostgres } from "./leftover.ts";
import { readLogTail } from "./log-file.ts";

/** Having run for so long, it didn't end because of its start: the next one needs no long wait. */
const steadyMs = 60_000;

export interface EmbeddedLogger {
  info(facts: Record<string, unknown>, message: string): void;
  warn(facts: Record<string, unknown>, message: string): void;
}

export interface KeeperOptions {
  readonly layout: Layout;
  readonly logger: EmbeddedLogger | undefined;
  /** Rejects where it can't be started now. */
  readonly restart: (signal: AbortSignal) => Promise<RunningPostgres>;
}

export interface Keeper {
  current(): RunningPostgres;
  /** From here on nothing is started; what runs runs on. */
  release(): Promise<void>;
}

export function keepRunning(first: RunningPostgres, options: KeeperOptions): Keeper {
  const { layout, logger, restart } = options;
  const releasing = new AbortController();
  const { signal } = releasing;
  const backoff = createBackoff();
  let current = first;

  async function restartUntilItRuns(): Promise<RunningPostgres> {
    for (;;) {
      await backoff.wait(signal);
      signal.throwIfAborted();
      try {
        return await restart(signal);
      } catch (error) {
        signal.throwIfAborted();
        logger?.warn({ err: error }, "the embedded Postgres did not start; trying again");
      }
    }
  }

  async function keep(): Promise<void> {
    for (;;) {
      const since = performance.now();
      const how = await current.postmaster.untilEnded(signal);
      const log = await readLogTail(layout, 0);
      logger?.warn({ ...how, log }, "the embedded Postgres ended; starting it again");
      if (performance.now() - since > steadyMs) backoff.reset();
      current = await restartUntilItRuns();
      const { pid } = current.postmaster;
      logger?.info({ pid }, "started the embedded Postgres again");
    }
  }

  const keeping = keep().catch((error: unknown) => {
    if (!signal.aborted) logger?.warn({ err: error }, "the embedded Postgres is left to itself");
  });
  return {
    current: () => current,
    async release() {
      releasing.abort(new Error("the embedded Postgres is to stop"));
      await keeping;
    },
  };
}
