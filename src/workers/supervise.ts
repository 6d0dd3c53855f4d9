// Watches over a started agent until it has ended and its output is stored.
import { waitForExit, type ExitOutcome } from "../process/exit.ts";
import type { Identity } from "../process/identity.ts";
import { tailOutput, type OutputOffsets } from "../process/tail.ts";
import { terminateAll } from "../process/terminate.ts";
import type { Logger } from "../log.ts";
import type { OutputStore } from "./output.ts";

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
    onChunk: (channel, text, endOffset) => options.output.store(channel, text, endOffset),
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
    await options.output.flush();
    return outcome;
  } finally {
    ending.removeEventListener("abort", terminate);
  }
}
