// Watches over a started agent until it has ended and its output is stored.
import { waitForExit, type ExitOutcome } from "../process/exit.ts";
import type { Identity } from "../process/identity.ts";
import { tailOutput, type OutputOffsets } from "../process/tail.ts";
import { terminateAll } from "../process/terminate.ts";
import type { Logger } from "../log.ts";
import { endDamaged, orDamaged, type Found } from "./damaged.ts";
import type { OutputStore } from "./output.ts";

export interface SuperviseOptions {
  readonly folder: string;
  readonly found: Found;
  readonly nonce: string;
  readonly offsets: OutputOffsets;
  readonly output: OutputStore;
  readonly killGraceMs: number;
  /** Aborted when the session is to be ended: cancelled, or out of time. */
  readonly ending: AbortSignal;
  /** Aborted when the server stops: the worker goes on, and is taken up by the next start. */
  readonly leaving: AbortSignal;
  readonly logger: Logger;
}

/**
 * Also where nobody can tell who runs: then what is found of the session is ended.
 * @throws the leaving signal's reason; OutputRefused
 */
export async function supervise(options: SuperviseOptions): Promise<ExitOutcome> {
  const { folder, found, leaving, logger } = options;
  const tail = tailOutput({
    folder,
    offsets: options.offsets,
    signal: leaving,
    onChunk: (channel, text, endOffset) => options.output.store(channel, text, endOffset),
  });
  // Its failure is heard where `finish` is awaited.
  tail.done.catch(() => undefined);
  const outcome =
    "damage" in found
      ? await endDamaged(found.damage, options)
      : await watchAgent(found.identity, options);
  // How it ended is known, also where what it printed is not.
  await orDamaged(() => tail.finish(), logger);
  leaving.throwIfAborted();
  await options.output.flush();
  return outcome;
}

async function watchAgent(identity: Identity, options: SuperviseOptions): Promise<ExitOutcome> {
  const { folder, ending, leaving, killGraceMs, logger } = options;
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
    const exit = await orDamaged(() => waitForExit({ folder, identity, signal: leaving }), logger);
    const outcome: ExitOutcome = typeof exit === "string" ? { kind: "lost", reason: exit } : exit;
    // What it leaves behind is ended too, by the same rule.
    terminating ??= terminateAll({
      identity,
      nonce: identity.nonce,
      graceMs: killGraceMs,
      ...(outcome.kind === "exited" ? { endedTick: outcome.endedTick } : {}),
    });
    await terminating;
    return outcome;
  } finally {
    ending.removeEventListener("abort", terminate);
  }
}
