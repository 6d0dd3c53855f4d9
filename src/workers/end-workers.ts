// For a server whose workers are to end with it.
import type { PrismaClient } from "../database/client.ts";
import { insist } from "../database/insist.ts";
import type { Logger } from "../log.ts";
import type { WorkQueue } from "../queue/queue.ts";
import { untilAborted } from "../until-aborted.ts";
import { cancelWorker } from "./cancel.ts";

/** Beyond the grace period: what SIGKILL, and the recording of the ends, take at most. */
const endMarginMs = 10_000;
/** A database that is away for longer can't be told: the workers are left running. */
const patienceMs = 3_000;

/** Cancels the sessions and waits until their workers are gone. What can't be ended in time runs on. */
export async function endWorkers(
  deps: {
    readonly prisma: PrismaClient;
    readonly queue: WorkQueue;
    readonly killGraceMs: number;
    readonly logger: Logger;
  },
  underway: ReadonlyMap<string, Promise<void>>,
): Promise<void> {
  const signal = AbortSignal.timeout(deps.killGraceMs + endMarginMs);
  const cancel = (id: string) =>
    insist(() => cancelWorker(deps, id, "the server was stopped"), { signal, patienceMs });
  try {
    const ends = [...underway.values()];
    await Promise.all([...underway.keys()].map(cancel));
    await untilAborted(Promise.all(ends), signal);
  } catch (error) {
    deps.logger.error(
      { err: error },
      "not every worker could be ended: who is left goes on, and the next start takes it up",
    );
  }
}
