// A long poll: for those who can't hold a subscription. While it waits it holds a timer and a listener, and
// no connection of the database.
import { insist } from "../database/insist.ts";
import { FactoryError } from "../errors.ts";
import { Bell } from "./bell.ts";
import { checkCursor, expired } from "./cursor.ts";
import type { Notices } from "./notices.ts";
import { emptyBatch, type BatchReader, type StoredEvent } from "./read.ts";

/** A client may leave polls behind over a WebSocket, which has no way to end a query. */
const mostWaits = 10_000;

export interface WaitOptions {
  readonly after: number;
  readonly timeoutMs: number;
  /** Aborted when the caller is gone. */
  readonly signal: AbortSignal;
}

export interface Waits {
  wait(key: string, options: WaitOptions): Promise<readonly StoredEvent[]>;
  end(): void;
}

export function createWaits(reader: BatchReader, notices: Notices): Waits {
  const underway = new Set<() => void>();
  let areOver = false;

  async function look(key: string, after: number, wait: Wait): Promise<readonly StoredEvent[]> {
    const start = await insist(() => reader.position(key), wait);
    const cursor = checkCursor(after, start);
    let streamId = start?.streamId;
    const read = async () => {
      streamId ??= (await reader.position(key))?.streamId;
      return streamId === undefined ? emptyBatch : reader.readBatch(streamId, cursor);
    };
    for (;;) {
      wait.bell.silence(cursor);
      const { events } = await insist(read, wait);
      wait.onFailure(undefined);
      const [first] = events;
      if (first !== undefined && first.sequence !== cursor + 1) throw expired(first.sequence);
      if (first !== undefined || wait.signal.aborted) return events;
      await wait.bell.rung();
    }
  }

  return {
    async wait(key, { after, timeoutMs, signal }) {
      if (underway.size >= mostWaits) {
        throw new FactoryError(
          "LIMIT_EXCEEDED",
          `${String(mostWaits)} calls wait for changes already: subscribe instead, or wait less often`,
        );
      }
      const over = new AbortController();
      let outage: Error | undefined;
      const bell = new Bell();
      const end = () => {
        over.abort();
        bell.ring();
      };
      const unwatch = notices.watch(`stream:${key}`, (notice) => {
        bell.ring(notice?.sequence);
      });
      const timer = setTimeout(end, timeoutMs);
      signal.addEventListener("abort", end, { once: true });
      underway.add(end);
      // What is there is answered all the same.
      if (areOver || signal.aborted) end();
      try {
        return await look(key, after, {
          bell,
          signal: over.signal,
          onFailure(error) {
            outage = error instanceof Error ? error : undefined;
          },
        });
      } catch (error) {
        if (error !== over.signal.reason) throw error;
        // The end of the wait is no error, but that the database was away until then is one.
        if (outage !== undefined) throw outage;
        return [];
      } finally {
        clearTimeout(timer);
        signal.removeEventListener("abort", end);
        underway.delete(end);
        unwatch();
      }
    },
    end() {
      areOver = true;
      for (const end of underway) end();
    },
  };
}

interface Wait {
  readonly bell: Bell;
  readonly signal: AbortSignal;
  /** Told of each outage that is waited out; undefined: it is over. */
  readonly onFailure: (error: unknown) => void;
}
