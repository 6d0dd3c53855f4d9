// Looks names up for all workers, by the system's resolver, /etc/hosts included.
import { lookup } from "node:dns/promises";
import { untilAborted } from "../../until-aborted.ts";

/**
 * Finds all addresses of a name, in the order in which the system would try them.
 * @throws the system's error, such as ENOTFOUND; the signal's reason
 */
export type Resolve = (host: string, signal: AbortSignal) => Promise<readonly string[]>;

/** Each look-up holds a thread of those that files are read with, and can't be ended: workers never get them all. */
const maxOfAll = 2;
/** Names that nobody answers for take their time: those of one worker leave room for the others'. */
const maxOfWorker = 1;

/** One for the server; `limitResolver` gives each worker its part of it. */
export function createResolver(): Resolve {
  return limit(async (host) => {
    const found = await lookup(host, { all: true, order: "verbatim" });
    return found.map(({ address }) => address);
  }, maxOfAll);
}

/** The same for one worker. */
export function limitResolver(resolve: Resolve, max = maxOfWorker): Resolve {
  return limit(resolve, max);
}

/** So many at a time; a wait ends with its signal, a look-up that runs keeps its place until it has ended. */
function limit(resolve: Resolve, max: number): Resolve {
  const waiting: (() => void)[] = [];
  let running = 0;

  async function run(host: string, signal: AbortSignal): Promise<readonly string[]> {
    running += 1;
    try {
      return await resolve(host, signal);
    } finally {
      running -= 1;
      waiting.shift()?.();
    }
  }

  return async (host, signal) => {
    while (running >= max) {
      const { promise, resolve: go } = Promise.withResolvers<void>();
      waiting.push(go);
      try {
        await untilAborted(promise, signal);
      } catch (error) {
        const place = waiting.indexOf(go);
        // Its turn came in the same moment: it is the next one's.
        if (place === -1) waiting.shift()?.();
        else waiting.splice(place, 1);
        throw error;
      }
    }
    return untilAborted(run(host, signal), signal);
  };
}
