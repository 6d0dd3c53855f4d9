// Node.js does file access, DNS lookups and some cryptography in four threads. Where all of them wait, for a disk that
// is away or a file that never answers, the server still answers requests but does no work any more.
import { stat } from "node:fs/promises";

export interface ThreadPoolWatch {
  /** Milliseconds for which the oldest unanswered probe has waited; 0 where none does. */
  waitedMs(): number;
  close(): void;
}

export interface ThreadPoolWatchOptions {
  /** Asks the pool for something that it does at once. Default: stat(2) of the root folder. */
  readonly probe?: () => Promise<unknown>;
  /** Milliseconds. */
  readonly everyMs?: number;
  readonly now?: () => number;
}

/** A pool that has answered nothing for so long stands still. */
export const maxThreadPoolWaitMs = 30_000;

export function watchThreadPool({
  probe = () => stat("/"),
  everyMs = 5_000,
  now = () => performance.now(),
}: ThreadPoolWatchOptions = {}): ThreadPoolWatch {
  let askedAt: number | undefined;
  const ask = () => {
    if (askedAt !== undefined) return;
    askedAt = now();
    const answered = () => {
      askedAt = undefined;
    };
    // A failure is an answer, too: a thread was there for it.
    probe().then(answered, answered);
  };
  ask();
  const timer = setInterval(ask, everyMs);
  timer.unref();
  return {
    waitedMs: () => (askedAt === undefined ? 0 : now() - askedAt),
    close() {
      clearInterval(timer);
    },
  };
}
