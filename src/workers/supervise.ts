// Watches over a started agent until it has ended and its output is stored.
import { setTimeout as delay } from "node:timers/promises";
import { isOutage } from "../database/errors.ts";
import { waitForExit, type ExitOutcome } from "../process/exit.ts";
import type { Identity } from "../process/identity.ts";
import { tailOutput, type OutputOffsets } from "../process/tail.ts";
import { terminateAll } from "../process/terminate.ts";
import type { Logger } from "../log.ts";
import type { OutputStore } from "./output.ts";

const firstRetryMs = 100;
const longestRetryMs = 5_000;

export interface SuperviseOptions {
  readonly folder: string;
  readonly identity: Identity;
  readonly offsets: OutputOffsets;
  readonly output: OutputStore;
  readonly killGraceMs: number;
  /** Aborted when the session is to be ended: cancelled, or out of time. */
  readonly ending: AbortSignal;
  /** Aborted when the server stops: the worker goes on, and is taken up by the next start. */
  readonly leaving: AbortSignal;
  readonly logger: Logger;
}

/** @throws the leaving signal's reason; FactoryError HOST_FAILURE where the spool can't be read. */
export async function supervise(options: SuperviseOptions): Promise<ExitOutcome> {
  const { folder, identity, ending, leaving, killGraceMs, logger } = options;
  const tail = tailOutput({
    folder,
    offsets: options.offsets,
    signal: leaving,
    onChunk: (channel, text, endOffset) =>
      insist(() => options.output.store(channel, text, endOffset), leaving, logger),
  });
  // Its failure is heard where `finish` is awaited.
  tail.done.catch(() => undefined);

  let terminating: Promise<unknown> | undefined;
  const terminate = () => {
    terminating ??= terminateAll({ identity, nonce: identity.nonce, graceMs: killGraceMs });
    terminating.catch((error: unknown) => {
      logger.error({ err: error }, "a worker's processes could not be ended");
    });
  };
  if (ending.aborted) terminate();
  else ending.addEventListener("abort", terminate, { once: true });

  try {
    const outcome = await waitForExit({ folder, identity, signal: leaving });
    // What it leaves behind is ended too, by the same rule.
    terminating ??= terminateAll({
      identity,
      nonce: identity.nonce,
      graceMs: killGraceMs,
      ...(outcome.kind === "exited" ? { endedTick: outcome.endedTick } : {}),
    });
    await terminating;
    await tail.finish();
    leaving.throwIfAborted();
    await insist(() => options.output.flush(), leaving, logger);
    return outcome;
  } finally {
    ending.removeEventListener("abort", terminate);
  }
}

/**
 * Tries until it succeeds: an outage of the database must lose nothing. Ends with the signal, and where
 * the database answers that this attempt no longer speaks for the session.
 */
export async function insist<T>(
  act: () => Promise<T>,
  signal: AbortSignal,
  logger: Logger,
): Promise<T> {
  for (let retryMs = firstRetryMs; ; retryMs = Math.min(retryMs * 2, longestRetryMs)) {
    try {
      return await act();
    } catch (error) {
      if (signal.aborted || !isOutage(error)) throw error;
      logger.warn({ err: error }, "the database did not take a write; trying again");
      await delay(retryMs * (0.5 + Math.random()), undefined, { signal });
    }
  }
}
