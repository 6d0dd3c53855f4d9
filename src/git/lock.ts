import { FactoryError } from "../errors.ts";

export interface KeyedMutex {
  /**
   * Runs alone among those with the same key, in the order of the calls. Aborting ends the wait; a run that
   * has begun goes on. @throws FactoryError SERVICE_UNAVAILABLE where the wait lasts too long.
   */
  run<T>(key: string, action: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Runs alone if nobody runs or waits; else returns undefined at once. */
  runIfIdle<T>(key: string, action: () => Promise<T>): Promise<T | undefined>;
}

/** `timeoutMs`: how long a caller waits for its turn at most. */
export function createKeyedMutex({ timeoutMs }: { readonly timeoutMs: number }): KeyedMutex {
  const gates = new Map<string, Gate>();
  const mutex: KeyedMutex = {
    async run(key, action, signal) {
      let gate = gates.get(key);
      if (gate === undefined) gates.set(key, (gate = createGate(1, timeoutMs)));
      try {
        return await gate.run(action, signal);
      } finally {
        if (gate.idle()) gates.delete(key);
      }
    },
    async runIfIdle(key, action) {
      // A gate is there while anybody runs or waits, and taken before anything is awaited.
      return gates.has(key) ? undefined : mutex.run(key, action);
    },
  };
  return mutex;
}

export interface Gate {
  /** As KeyedMutex.run, with as many at once as there are places. */
  run<T>(action: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  idle(): boolean;
}

export function createGate(places: number, timeoutMs: number): Gate {
  let taken = 0;
  const waiting = new Set<() => void>();

  function enter(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (taken < places && waiting.size === 0) {
      taken += 1;
      return Promise.resolve();
    }
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const leave = () => {
      waiting.delete(admit);
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
    const admit = () => {
      leave();
      taken += 1;
      resolve(undefined);
    };
    const abort = () => {
      leave();
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      leave();
      reject(
        new FactoryError(
          "SERVICE_UNAVAILABLE",
          `waited ${Math.round(timeoutMs / 1000)} s for work on the same repository to end: try again later`,
        ),
      );
    }, timeoutMs);
    signal?.addEventListener("abort", abort, { once: true });
    waiting.add(admit);
    return promise;
  }

  function leave(): void {
    taken -= 1;
    const [first] = waiting;
    first?.();
  }

  return {
    async run(action, signal) {
      await enter(signal);
      try {
        return await action();
      } finally {
        leave();
      }
    },
    idle: () => taken === 0 && waiting.size === 0,
  };
}
