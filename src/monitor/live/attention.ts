// Which workers need somebody: those that wait for an answer, and those that failed and that nobody has seen to.
import { createStore, type Store } from "../client/store.ts";
import { readStored, writeStored } from "../client/stored.ts";
import { overview, type Overview } from "./overview.ts";
import type { Worker } from "./operations.ts";
import { isFailed } from "./states.ts";

/** What failed longer ago is history. */
const recentMs = 24 * 3600 * 1000;
/** Ids that are remembered as seen: more than those can't be recent in practice. */
const mostDismissed = 500;

const key = "dismissed";

function readDismissed(): ReadonlySet<string> {
  const stored = readStored(key);
  const ids = Array.isArray(stored) ? stored : [];
  return new Set(ids.filter((id) => typeof id === "string"));
}

export const dismissed: Store<ReadonlySet<string>> = createStore(readDismissed());

/** The person has seen these failures. */
export function dismiss(ids: readonly string[]): void {
  const all = [...dismissed.read(), ...ids].slice(-mostDismissed);
  writeStored(key, all);
  dismissed.write(new Set(all));
}

/** Those that wait come first, the longest waiting on top; then the failed ones, the latest on top. */
export function findAttention(
  { workers }: Pick<Overview, "workers">,
  seen: ReadonlySet<string>,
  now: number,
): Worker[] {
  const all = [...workers.values()];
  const takenUp = new Set(all.map(({ previous }) => previous?.id));
  const waiting = all
    .filter(({ status }) => status === "WAITING")
    .sort((one, other) => Date.parse(one.createdAt) - Date.parse(other.createdAt));
  const failed = all
    .filter(
      ({ id, status, finishedAt }) =>
        isFailed(status) &&
        !seen.has(id) &&
        !takenUp.has(id) &&
        finishedAt !== null &&
        now - Date.parse(finishedAt) < recentMs,
    )
    .sort((one, other) => Date.parse(other.finishedAt ?? "") - Date.parse(one.finishedAt ?? ""));
  return [...waiting, ...failed];
}

/** The workers that need somebody, the most urgent first. */
export const attention = createStore<readonly Worker[]>([]);

function look(): void {
  const before = attention.read();
  const now = findAttention(overview.read(), dismissed.read(), Date.now());
  const isSame = now.length === before.length && now.every((worker, at) => worker === before[at]);
  if (!isSame) attention.write(now);
}
overview.watch(look);
dismissed.watch(look);
