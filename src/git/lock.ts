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
        return await gate.run(action, { signal });
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

/** Of the gate's places, those with the same key have `most` at once. */
export interface Share {
  readonly key: string;
  readonly most: number;
}

export interface EnterOptions {
  readonly signal?: AbortSignal | undefined;
  /** Whoever has a share that is used up waits, and holds up nobody else. */
  readonly shares?: readonly Share[];
  /** Milliseconds. Default: the gate's. */
  readonly maxWaitMs?: number | undefined;
}

export interface Gate {
  /** As KeyedMutex.run, with as many at once as there are places. */
  run<T>(action: () => Promise<T>, options?: EnterOptions): Promise<T>;
  idle(): boolean;
}

export function createGate(places: number, timeoutMs: number): Gate {
  let taken = 0;
  const takenOf = new Map<string, number>();
  /** In order of their calls. None of them has room. */
  const waiting = new Map<() => void, readonly Share[]>();

  function hasRoom(shares: readonly Share[]): boolean {
    return taken < places && shares.every(({ key, most }) => (takenOf.get(key) ?? 0) < most);
  }

  function count(shares: readonly Share[], change: 1 | -1): void {
    taken += change;
    for (const { key } of shares) {
      const now = (takenOf.get(key) ?? 0) + change;
      if (now === 0) takenOf.delete(key);
      else takenOf.set(key, now);
    }
  }

  function enter(
    shares: readonly Share[],
    maxWaitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    signal?.throwIfAborted();
    if (hasRoom(shares)) {
      count(shares, 1);
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
      count(shares, 1);
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
          `waited ${Math.round(maxWaitMs / 1000)} s for work on the same repository to end: try again later`,
        ),
      );
    }, maxWaitMs);
    signal?.addEventListener("abort", abort, { once: true });
    waiting.set(admit, shares);
    return promise;
  }

  function leave(shares: readonly Share[]): void {
    count(shares, -1);
    for (const [admit, wanted] of waiting) {
      if (taken >= places) return;
      if (hasRoom(wanted)) admit();
    }
  }

  return {
    async run(action, { signal, shares = [], maxWaitMs = timeoutMs } = {}) {
      await enter(shares, maxWaitMs, signal);
      try {
        return await action();
      } finally {
        leave(shares);
      }
    },
    idle: () => taken === 0 && waiting.size === 0,
  };
}
