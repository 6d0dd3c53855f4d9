/** Waits between the tries of one thing: longer after each failure in a row. */
export interface Backoff {
  /** Resolves when it is time for the next try, or at once when the signal is aborted. */
  wait(signal: AbortSignal): Promise<void>;
  /** After a success: the next failure is the first one again. */
  reset(): void;
}

export interface BackoffOptions {
  readonly firstMs?: number;
  readonly longestMs?: number;
}

/** With jitter, so that those who failed together don't all come back at the same moment. */
export function createBackoff({ firstMs = 100, longestMs = 5_000 }: BackoffOptions = {}): Backoff {
  let nextMs = firstMs;
  return {
    async wait(signal) {
      const waitMs = nextMs * (0.5 + Math.random());
      nextMs = Math.min(nextMs * 2, longestMs);
      if (signal.aborted) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const end = () => resolve();
      const timer = setTimeout(end, waitMs);
      signal.addEventListener("abort", end, { once: true });
      await promise;
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
    },
    reset() {
      nextMs = firstMs;
    },
  };
}
