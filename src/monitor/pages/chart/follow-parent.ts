// A parent's workers and how their time is spent, live: read page by page, then kept by the stream of its changes.
import { delay } from "../../client/delay.ts";
import type { Failure } from "../../client/failure.ts";
import { createStore, type Store } from "../../client/store.ts";
import { ask, AskError, follow } from "../../client/stream.ts";
import { merge } from "./merge.ts";
import {
  changes,
  parentQuery,
  workersPage,
  type Change,
  type TimedParent,
  type TimedWorker,
} from "./operations.ts";

/** A page of workers is as long as the server allows; so many are read at once, the youngest. */
const page = 100;
const mostAtOnce = 500;
/** Changes that come together are shown together. */
const gatherMs = 120;
/** What an agent uses while it runs is told by no change. */
const usageMs = 10_000;
const retryMs = 3_000;

export interface ParentState {
  readonly isLoaded: boolean;
  /** null: it has dispatched nothing yet. */
  readonly parent: TimedParent | null;
  /** Oldest first. */
  readonly workers: readonly TimedWorker[];
  readonly hasEarlier: boolean;
  readonly failure: Failure | undefined;
}

export interface ParentFollower {
  readonly state: Store<ParentState>;
  readonly loadEarlier: () => void;
  /** Returns what ends it. */
  readonly start: () => () => void;
}

export function createParentFollower(name: string): ParentFollower {
  const state = createStore<ParentState>({
    isLoaded: false,
    parent: null,
    workers: [],
    hasEarlier: false,
    failure: undefined,
  });
  let leaving = new AbortController();
  const workers = new Map<string, TimedWorker>();
  let gathered: Change[] = [];
  let cursor: string | null = null;
  let after = 0;
  let endStream: () => void = () => undefined;

  function change(changed: Partial<ParentState>): void {
    state.write({ ...state.read(), ...changed });
  }

  function sorted(): TimedWorker[] {
    return [...workers.values()].sort((one, other) => numberOf(one) - numberOf(other));
  }

  /** Tries again for as long as the page is there. */
  async function insist<Value>(read: () => Promise<Value>): Promise<Value | undefined> {
    const { signal } = leaving;
    for (;;) {
      try {
        return await read();
      } catch (error) {
        if (signal.aborted) return undefined;
        if (!(error instanceof AskError)) throw error;
        change({ failure: error.failure });
        await delay(retryMs, signal);
      }
    }
  }

  async function readParent(): Promise<void> {
    const { parentSession } = await ask(parentQuery, { name }, leaving.signal);
    change({ parent: parentSession });
  }

  async function readPages(): Promise<void> {
    for (let read = 0; read < mostAtOnce; read += page) {
      const { workerSessions } = await ask(
        workersPage,
        { parent: name, last: page, before: cursor },
        leaving.signal,
      );
      for (const { statusEvents, ...worker } of workerSessions.nodes) {
        const known = workers.get(worker.id);
        const moments = merge(statusEvents, known?.moments ?? []);
        // What the stream has told is younger.
        workers.set(worker.id, { ...worker, ...known, moments });
      }
      cursor = workerSessions.pageInfo.startCursor;
      change({ workers: sorted(), hasEarlier: workerSessions.pageInfo.hasPreviousPage });
      if (!workerSessions.pageInfo.hasPreviousPage) return;
    }
  }

  async function begin(signal: AbortSignal): Promise<void> {
    await insist(readParent);
    // What changes from here on is told, also while the pages are read.
    after = state.read().parent?.lastSequence ?? 0;
    followChanges(signal);
    await insist(readPages);
    if (!signal.aborted) change({ isLoaded: true, failure: undefined });
  }

  function followChanges(signal: AbortSignal): void {
    if (signal.aborted) return;
    endStream = follow(changes, () => ({ parent: name, after }), {
      onData({ workerStatusChanged }) {
        after = workerStatusChanged.sequence;
        if (gathered.length === 0) window.setTimeout(takeIn, gatherMs);
        gathered.push(workerStatusChanged);
      },
      onFailure(failure) {
        const first = failure.facts["firstSequence"];
        if (failure.code === "EVENTS_EXPIRED" && typeof first === "number") after = first - 1;
        void delay(retryMs, signal).then(() => followChanges(signal));
      },
    });
  }

  function takeIn(): void {
    const news = gathered;
    gathered = [];
    for (const { at, status, previousStatus, worker } of news) {
      const known = workers.get(worker.id);
      // A report changes nothing.
      const moments = previousStatus === status ? [] : [{ at, status }];
      workers.set(worker.id, { ...worker, moments: merge(known?.moments ?? [], moments) });
    }
    change({ workers: sorted() });
    if (state.read().parent === null) void insist(readParent);
  }

  function start(): () => void {
    leaving = new AbortController();
    void begin(leaving.signal);
    const timer = window.setInterval(() => {
      if (state.read().workers.some(({ finishedAt }) => finishedAt === null)) {
        // A refusal is no news here: the stream shows it too, and the next round may do better.
        void readParent().catch(() => undefined);
      }
    }, usageMs);
    return () => {
      leaving.abort();
      endStream();
      window.clearInterval(timer);
    };
  }

  return { state, loadEarlier: () => void insist(readPages), start };
}

function numberOf({ name }: TimedWorker): number {
  return Number(name.slice("worker-".length));
}
