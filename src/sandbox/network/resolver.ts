// Looks names up for all workers, by the system's resolver, /etc/hosts included.
import { lookup } from "node:dns/promises";
import { untilAborted } from "../../until-aborted.ts";

/**
 * Finds all addresses of a name, in the order in which the system would try them.
 * @throws the system's error, such as ENOTFOUND; the signal's reason
 */
export type Resolve = (host: string, signal: AbortSignal) => Promise<readonly string[]>;

/** Each look-up holds a thread of those that files are read with, and can't be ended: workers never get them all. */
const maxAtOnce = 2;

export function createResolver(max = maxAtOnce): Resolve {
  const waiting: (() => void)[] = [];
  let running = 0;

  async function run(host: string): Promise<readonly string[]> {
    running += 1;
    try {
      const found = await lookup(host, { all: true, order: "verbatim" });
      return found.map(({ address }) => address);
    } finally {
      running -= 1;
      waiting.shift()?.();
    }
  }

  return async (host, signal) => {
    while (running >= max) {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push(resolve);
      try {
        await untilAborted(promise, signal);
      } catch (error) {
        const place = waiting.indexOf(resolve);
        // Its turn came in the same moment: it is the next one's.
        if (place === -1) waiting.shift()?.();
        else waiting.splice(place, 1);
        throw error;
      }
    }
    return await untilAborted(run(host), signal);
  };
}
