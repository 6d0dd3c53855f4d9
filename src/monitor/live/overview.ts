// What is known of repositories, worktrees and workers at the moment: bounded, however much the server holds.
import type { Failure } from "../client/failure.ts";
import { createStore } from "../client/store.ts";
import type {
  Parent,
  Repository,
  Worker,
  WorkerState,
  WorkerStatus,
  Worktree,
} from "./operations.ts";
import { allStatuses, isFailed, isLive } from "./states.ts";

/** Workers that have not ended; of more than these the page tells the number. */
export const mostLive = 500;
/** Those that have ended come in pages of this size, the youngest first. */
export const endedPage = 50;
/** Of repositories, and of worktrees. */
export const mostPlaces = 100;

export type Counts = Readonly<Record<WorkerStatus, number>>;

export interface Overview {
  /** false until everything was read once. */
  readonly isLoaded: boolean;
  /** Why it could not be read; the page tries again by itself. */
  readonly failure: Failure | undefined;
  /** By id, as the rest. */
  readonly workers: ReadonlyMap<string, Worker>;
  readonly parents: ReadonlyMap<string, Parent>;
  readonly repositories: ReadonlyMap<string, Repository>;
  readonly worktrees: ReadonlyMap<string, Worktree>;
  readonly counts: Counts;
  readonly placeCounts: { readonly repositories: number; readonly worktrees: number };
  /** How many ended workers are wanted. */
  readonly endedLimit: number;
  /** Whether there are more of them. */
  readonly hasOlder: boolean;
}

const noCounts = Object.fromEntries(allStatuses.map((status) => [status, 0])) as Record<
  WorkerStatus,
  number
>;

export const overview = createStore<Overview>({
  isLoaded: false,
  failure: undefined,
  workers: new Map(),
  parents: new Map(),
  repositories: new Map(),
  worktrees: new Map(),
  counts: noCounts,
  placeCounts: { repositories: 0, worktrees: 0 },
  endedLimit: endedPage,
  hasOlder: false,
});

export function change(changes: Partial<Overview>): void {
  overview.write({ ...overview.read(), ...changes });
}

/** States of workers that are known already; the others' ids. */
export function mergeStates(
  workers: Map<string, Worker>,
  states: readonly WorkerState[],
): string[] {
  const unknown: string[] = [];
  for (const state of states) {
    const known = workers.get(state.id);
    if (known === undefined) unknown.push(state.id);
    else workers.set(state.id, keepIfSame(known, { ...known, ...state }));
  }
  return unknown;
}

/** The same object where nothing has changed, so that React draws nothing anew. */
export function keepIfSame<Row extends object>(before: Row | undefined, after: Row): Row {
  return before !== undefined && JSON.stringify(before) === JSON.stringify(after) ? before : after;
}

/** Without the ended ones beyond the limit, but for the latest failed ones. */
export function prune(
  workers: ReadonlyMap<string, Worker>,
  endedLimit: number,
): Map<string, Worker> {
  const ended = [...workers.values()]
    .filter(({ status }) => !isLive(status))
    .toSorted((one, other) => (other.finishedAt ?? "").localeCompare(one.finishedAt ?? ""));
  const kept = new Set([
    ...ended.slice(0, endedLimit),
    ...ended.filter(({ status }) => isFailed(status)).slice(0, endedPage),
  ]);
  return new Map([...workers].filter(([, worker]) => isLive(worker.status) || kept.has(worker)));
}
