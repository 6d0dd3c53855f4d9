// Everything of a worker but its stream: read when the page opens, and again whenever it may have changed.
import { connection } from "../../client/connection.ts";
import type { Failure } from "../../client/failure.ts";
import type { ResultOf } from "../../client/graphql.ts";
import { createStore, type Store } from "../../client/store.ts";
import { ask, AskError, follow } from "../../client/stream.ts";
import { isLive } from "../../live/states.ts";
import { overviewChanged, workerQuery, type Worker } from "./operations.ts";

/** What changes within this time is read at once; a busy server tells of changes four times a second. */
const gatherMs = 100;
const pauseMs = 500;
const retryMs = 3_000;

export interface PageState {
  /** undefined: it has not been read yet; null: there is none of that name. */
  readonly worker: Worker | null | undefined;
  readonly failure: Failure | undefined;
}

export interface PageFollower {
  readonly state: Store<PageState>;
  /** Something has happened to it: it is read again soon. */
  readonly refresh: () => void;
  /** Returns what ends it. */
  readonly start: () => () => void;
}

export function createPageFollower(name: string): PageFollower {
  const state = createStore<PageState>({ worker: undefined, failure: undefined });
  let leaving = new AbortController();
  /** The ids whose changes matter here. */
  let related = new Set<string>();
  let hasChildren = false;
  let timer: number | undefined;
  let readAt = 0;

  function plan(waitMs: number): void {
    if (leaving.signal.aborted || timer !== undefined) return;
    const pause = readAt + pauseMs - Date.now();
    timer = window.setTimeout(() => void read(), Math.max(waitMs, pause));
  }

  async function read(): Promise<void> {
    readAt = Date.now();
    timer = undefined;
    try {
      const { workerSession: worker, asParent } = await ask(
        workerQuery,
        { id: name, name },
        leaving.signal,
      );
      related = relatedTo(worker, asParent?.id);
      hasChildren = asParent !== null;
      state.write({ worker, failure: undefined });
    } catch (error) {
      if (leaving.signal.aborted) return;
      if (!(error instanceof AskError)) throw error;
      state.write({ ...state.read(), failure: error.failure });
      plan(retryMs);
    }
  }

  function onChange({ overviewChanged: ids }: ResultOf<typeof overviewChanged>): void {
    const { worker } = state.read();
    // Its place in the queue changes with everybody's; its first child makes it a parent.
    const mayConcern =
      worker == null ||
      worker.status === "QUEUED" ||
      (isLive(worker.status) && !hasChildren && ids.parentSessions.length > 0);
    const concerns = [...ids.workerSessions, ...ids.parentSessions].some((id) => related.has(id));
    if (mayConcern || concerns) plan(gatherMs);
  }

  function start(): () => void {
    leaving = new AbortController();
    const endStream = follow(overviewChanged, () => ({}), { onData: onChange });
    const unwatch = connection.state.watch(() => {
      if (connection.state.read().kind === "connected") plan(0);
    });
    plan(0);
    return () => {
      leaving.abort();
      endStream();
      unwatch();
      window.clearTimeout(timer);
      timer = undefined;
    };
  }

  return { state, refresh: () => plan(gatherMs), start };
}

function relatedTo(worker: Worker | null, asParent: string | undefined): Set<string> {
  if (worker === null) return new Set();
  const { id, parentSession, previous, next, children } = worker;
  const others = [parentSession, previous, ...next, ...children.nodes];
  const ids = others.flatMap((other) => (other === null ? [] : [other.id]));
  return new Set([id, ...ids, ...(asParent === undefined ? [] : [asParent])]);
}
