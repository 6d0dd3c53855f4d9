import { untilAborted } from "../until-aborted.ts";

/** One run at a time, shared by all who ask for it before it begins. */
export interface SharedRun<T> {
  /**
   * Those who ask while a run is under way share the one after it. Aborting ends the caller's wait; a run
   * that nobody waits for any longer is ended too.
   */
  join(signal?: AbortSignal): Promise<T>;
}

interface Round<T> {
  readonly result: Promise<T>;
  readonly ending: AbortController;
  waiting: number;
}

/** Shared runs by key, each forgotten when nobody waits for it. */
export interface KeyedRuns<T> {
  /** As SharedRun.join; of those who share a run, the first one's `run` is called. */
  join(key: string, run: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T>;
}

export function createKeyedRuns<T>(): KeyedRuns<T> {
  const runs = new Map<string, SharedRun<T>>();
  return {
    join(key, run, signal) {
      let shared = runs.get(key);
      if (shared === undefined) {
        shared = createSharedRun(run, () => runs.delete(key));
        runs.set(key, shared);
      }
      return shared.join(signal);
    },
  };
}

/** `onIdle` is called when nothing is under way or asked for any longer. */
export function createSharedRun<T>(
  run: (signal: AbortSignal) => Promise<T>,
  onIdle: () => void = () => undefined,
): SharedRun<T> {
  let current: Round<T> | undefined;
  let next: Round<T> | undefined;

  function begin(after: Promise<unknown>): Round<T> {
    const ending = new AbortController();
    const result = after.then(() => {
      // From here on the run looks at the world, and later callers need a later look.
      if (next === round) next = undefined;
      current = round;
      ending.signal.throwIfAborted();
      return run(ending.signal);
    });
    const round: Round<T> = { result, ending, waiting: 0 };
    // Nobody may be left to hear of a failure: whoever waits hears it from `result` itself.
    void result
      .catch(() => undefined)
      .finally(() => {
        if (current === round) current = undefined;
        if (current === undefined && next === undefined) onIdle();
      });
    return round;
  }

  return {
    async join(signal) {
      signal?.throwIfAborted();
      // One that all have left will never run.
      if (next?.ending.signal.aborted === true) next = undefined;
      next ??= begin(current?.result.catch(() => undefined) ?? Promise.resolve());
      const round = next;
      round.waiting += 1;
      try {
        return await (signal === undefined ? round.result : untilAborted(round.result, signal));
      } finally {
        round.waiting -= 1;
        if (round.waiting === 0) round.ending.abort();
      }
    },
  };
}
