// A parent's workers, theirs, and how their time is spent, live: read whole at each connection, then what is said to
// have changed.
import { connection } from "../../client/connection.ts";
import { delay } from "../../client/delay.ts";
import type { Failure } from "../../client/failure.ts";
import { createStore, type Store } from "../../client/store.ts";
import { ask, AskError, follow } from "../../client/stream.ts";
import { keepIfSame } from "../../live/overview.ts";
import {
  overviewChanged,
  workerNode,
  workersPage,
  type ReadWorker,
  type TimedWorker,
  type WorkersPage,
} from "./operations.ts";

/** A page of workers is as long as the server allows; so many are read at first, the youngest. */
const page = 100;
const step = 500;
/** Changes that come together are shown together. */
const gatherMs = 120;
/** Questions under way at once. */
const mostAtOnce = 25;
/** What an agent uses while it runs is a change of nothing; and a notice may get lost between server and database. */
const reconcileMs = 10_000;
const retryMs = 3_000;
/** Of workers that are none of these, so that each is asked for once. */
const mostStrangers = 10_000;

export interface ParentState {
  readonly isLoaded: boolean;
  /** What all of them may cost; null: no limit. */
  readonly maxCostUsd: number | null;
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
    maxCostUsd: null,
    workers: [],
    hasEarlier: false,
    failure: undefined,
  });
  const workers = new Map<string, TimedWorker>();
  const changed = new Set<string>();
  const strangers = new Set<string>();
  let leaving = new AbortController();
  let wanted = step;
  let due: "everything" | "youngest" | undefined;
  let wake: () => void = () => undefined;

  function change(news: Partial<ParentState>): void {
    state.write({ ...state.read(), ...news });
  }

  function plan(what: "everything" | "youngest"): void {
    if (due !== "everything") due = what;
    wake();
  }

  function take(nodes: readonly ReadWorker[]): void {
    for (const { statusEvents, ...worker } of nodes) {
      const read = { ...worker, moments: statusEvents };
      workers.set(worker.id, keepIfSame(workers.get(worker.id), read));
    }
  }

  function sorted(): TimedWorker[] {
    return [...workers.values()].sort((one, other) => numberOf(one) - numberOf(other));
  }

  /** @returns whether there are earlier ones */
  async function readPages(most: number, signal: AbortSignal): Promise<boolean> {
    let before: string | null = null;
    for (let read = 0; read < most; read += page) {
      const variables = { parent: name, last: page, before };
      const answer: WorkersPage = await ask(workersPage, variables, signal);
      const { nodes, pageInfo } = answer.workerSessions;
      take(nodes);
      change({ workers: sorted(), maxCostUsd: answer.parentSession?.maxCostUsd ?? null });
      if (!pageInfo.hasPreviousPage) return false;
      before = pageInfo.startCursor;
    }
    return true;
  }

  async function readNodes(ids: readonly string[], signal: AbortSignal): Promise<void> {
    const read: ReadWorker[] = [];
    for (let start = 0; start < ids.length; start += mostAtOnce) {
      const some = ids.slice(start, start + mostAtOnce);
      for (const { node } of await Promise.all(some.map((id) => ask(workerNode, { id }, signal)))) {
        if (node !== null && "id" in node) read.push(node);
      }
    }
    // Whoever dispatched another stands before it.
    for (const node of read.sort((one, other) => numberOf(one) - numberOf(other))) {
      if (belongs(node)) take([node]);
      else strangers.add(node.id);
    }
    if (strangers.size > mostStrangers) strangers.clear();
    change({ workers: sorted() });
  }

  function belongs({ id, parentSession, parentWorker }: ReadWorker): boolean {
    if (workers.has(id) || parentSession.name === name) return true;
    return parentWorker !== null && workers.has(parentWorker.id);
  }

  async function readDue(signal: AbortSignal): Promise<void> {
    const what = due;
    const ids = [...changed];
    due = undefined;
    changed.clear();
    try {
      if (what === "everything") change({ hasEarlier: await readPages(wanted, signal) });
      if (what === "youngest") await readPages(page, signal);
      await readNodes(ids, signal);
      change({ isLoaded: true, failure: undefined });
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof AskError)) throw error;
      change({ failure: error.failure });
      await delay(retryMs, signal);
      plan("everything");
    }
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (due !== undefined || changed.size > 0) {
        await readDue(signal);
        await delay(gatherMs, signal);
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  }

  /** Those that run are among the oldest that have not ended. */
  function reconcile(): void {
    const unended = state.read().workers.filter(({ finishedAt }) => finishedAt === null);
    for (const { id } of unended.slice(0, page)) changed.add(id);
    plan("youngest");
  }

  function start(): () => void {
    leaving = new AbortController();
    const endStream = follow(overviewChanged, () => ({}), {
      onData({ overviewChanged: { workerSessions } }) {
        for (const id of workerSessions) if (!strangers.has(id)) changed.add(id);
        if (changed.size > 0) wake();
      },
    });
    // What was missed is in no message: all is read, after the subscription above, which the server sees first.
    const begin = (): void => {
      if (connection.state.read().kind === "connected") plan("everything");
    };
    const unwatch = connection.state.watch(begin);
    begin();
    const timer = window.setInterval(reconcile, reconcileMs);
    void run(leaving.signal);
    return () => {
      leaving.abort();
      endStream();
      unwatch();
      window.clearInterval(timer);
      wake();
    };
  }

  function loadEarlier(): void {
    wanted = workers.size + step;
    plan("everything");
  }

  return { state, loadEarlier, start };
}

function numberOf({ name }: Pick<TimedWorker, "name">): number {
  return Number(name.slice("worker-".length));
}
