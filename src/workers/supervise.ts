// Watches over a started agent until it has ended and its output is stored.
import { setTimeout as delay } from "node:timers/promises";
import { endInput } from "../process/input.ts";
import { waitForExit, type ExitOutcome } from "../process/exit.ts";
import type { Identity } from "../process/identity.ts";
import { watchMemory, type MemoryExcess } from "../process/memory-excess.ts";
import {
  tailOutput,
  type OutputChannel,
  type OutputChunk,
  type OutputOffsets,
} from "../process/tail.ts";
import { terminateAll } from "../process/terminate.ts";
import type { Logger } from "../log.ts";
import { endDamaged, isDamage, orDamaged, type Found } from "./damaged.ts";
import { OutputRefused, type OutputStore } from "./output.ts";
import type { TalkKeeper } from "./talk/keeper.ts";

export interface SuperviseOptions {
  readonly folder: string;
  readonly found: Found;
  readonly nonce: string;
  /** See `readExit`. */
  readonly exitKey: string | undefined;
  readonly offsets: OutputOffsets;
  readonly output: Pick<OutputStore, "flush"> & {
    readonly store: (channel: OutputChannel, chunk: OutputChunk) => Promise<void>;
    readonly isFull?: () => boolean;
  };
  /** Set where the agent is spoken to. */
  readonly talk: Pick<TalkKeeper, "interrupt" | "closed" | "closeGraceMs"> | undefined;
  readonly killGraceMs: number;
  /** Aborted when the session is to be ended: cancelled, or out of time. */
  readonly ending: AbortSignal;
  /** Called when the agent has ended, before what it left is ended and stored. */
  readonly onEnded: () => void;
  /** Aborted when the server stops: the worker goes on, and is taken up by the next start. */
  readonly leaving: AbortSignal;
  readonly logger: Logger;
}

export interface Supervised {
  readonly exit: ExitOutcome;
  /** What it was ended for, where it went over its memory cap. */
  readonly excess: MemoryExcess | undefined;
}

/**
 * Also where nobody can tell who runs: then what is found of the session is ended.
 * @throws the leaving signal's reason; OutputRefused
 */
export async function supervise(options: SuperviseOptions): Promise<Supervised> {
  const { folder, found, leaving, logger } = options;
  const tail = tailOutput({
    folder,
    offsets: options.offsets,
    signal: leaving,
    onChunk: (channel, chunk) => options.output.store(channel, chunk),
    isFull: () => options.output.isFull?.() === true,
  });
  const unheard = new AbortController();
  // Its failure is told where `finish` is awaited. An agent that nobody hears any more is ended; one that damaged
  // the files itself is left to its work.
  tail.done.catch((error: unknown) => {
    if (leaving.aborted || isDamage(error)) return;
    // Another attempt that took over is nobody's mistake.
    const level = error instanceof OutputRefused ? "info" : "error";
    logger[level]({ err: error }, "what a worker prints can't be taken any more");
    unheard.abort();
  });
  const ending = AbortSignal.any([options.ending, unheard.signal]);
  const outcome =
    "damage" in found
      ? { exit: await endDamaged(found, options), excess: undefined }
      : await watchAgent(found.identity, { ...options, ending });
  // How it ended is known, also where what it printed is not.
  await orDamaged(() => tail.finish(), logger);
  leaving.throwIfAborted();
  await options.output.flush();
  return outcome;
}

async function watchAgent(identity: Identity, options: SuperviseOptions): Promise<Supervised> {
  const { folder, exitKey, ending, leaving, killGraceMs, talk, logger } = options;
  let terminating: Promise<unknown> | undefined;
  const endWith = (how: () => Promise<unknown>) => {
    terminating ??= how();
    terminating.catch((error: unknown) => {
      logger.error({ err: error }, "a worker's processes could not be ended");
    });
  };
  const ended = new AbortController();
  const endedOrLeaving = AbortSignal.any([ended.signal, leaving]);
  const terminate = () => {
    endWith(async () => {
      // Its own way first: an agent that is asked to stop clears up after itself.
      const patience = AbortSignal.any([AbortSignal.timeout(killGraceMs), endedOrLeaving]);
      await talk?.interrupt(patience).catch((error: unknown) => {
        logger.info({ err: error }, "an agent could not be asked to end its turn: it is ended");
      });
      await terminateAll({ identity, nonce: identity.nonce, graceMs: killGraceMs });
    });
  };
  /** Nothing more is said: it ends by itself, or is ended. */
  const close = ({ closeGraceMs }: Pick<TalkKeeper, "closeGraceMs">) => {
    endInput(identity);
    void delay(closeGraceMs, undefined, { signal: endedOrLeaving })
      .then(terminate)
      .catch((error: unknown) => {
        if (!endedOrLeaving.aborted) throw error;
      });
  };
  onAbort(ending, terminate, ended.signal);
  const watching = watchMemory(identity, endedOrLeaving)
    .then((excess) => {
      // The kernel may have ended one process of many: the others go too, without grace, as by version 2.
      if (excess !== undefined) {
        endWith(() => terminateAll({ identity, nonce: identity.nonce, graceMs: 0 }));
      }
      return excess;
    })
    .catch((error: unknown) => {
      logger.warn({ err: error }, "what a worker's memory cap did could not be read");
      return undefined;
    });
  if (talk !== undefined) {
    onAbort(
      talk.closed,
      () => {
        close(talk);
      },
      ended.signal,
    );
  }

  let exit: ExitOutcome | string;
  try {
    exit = await orDamaged(
      () => waitForExit({ folder, exitKey, identity, signal: leaving }),
      logger,
    );
  } finally {
    // Who is gone is asked and waited for no longer.
    ended.abort();
    options.onEnded();
  }
  const outcome: ExitOutcome = typeof exit === "string" ? { kind: "lost", reason: exit } : exit;
  // Before its groups are removed.
  const excess = await watching;
  await terminating;
  // What it leaves behind is ended too, by the same rule; also what was started while it was ended.
  await terminateAll({
    identity,
    nonce: identity.nonce,
    graceMs: killGraceMs,
    ...(outcome.kind === "exited" ? { endedTick: outcome.endedTick } : {}),
  });
  return { exit: outcome, excess };
}

/** Acts when the signal is aborted, or was before; not any more once `until` is. */
function onAbort(signal: AbortSignal, act: () => void, until: AbortSignal): void {
  if (signal.aborted) act();
  else signal.addEventListener("abort", act, { once: true, signal: until });
}
