import { createBackoff } from "../backoff.ts";
import { isOutage } from "./errors.ts";

export interface InsistOptions {
  /** Ends the tries. */
  readonly signal: AbortSignal;
  /** How long an outage is waited out. Default: for ever. */
  readonly patienceMs?: number;
  /** Told of each failure that is followed by another try. */
  readonly onFailure?: (error: unknown) => void;
}

/**
 * Acts until it succeeds, or fails for another reason than an outage of the database. What is done must be
 * harmless to repeat: a commit may have succeeded though its answer was lost.
 * @throws the signal's reason; the last failure when the patience is over.
 */
export async function insist<T>(act: () => Promise<T>, options: InsistOptions): Promise<T> {
  const { signal, patienceMs = Infinity, onFailure } = options;
  const backoff = createBackoff();
  const deadline = performance.now() + patienceMs;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (signal.aborted || !isOutage(error) || performance.now() > deadline) throw error;
      onFailure?.(error);
      await backoff.wait(signal);
      signal.throwIfAborted();
    }
  }
}
