// What happens, as it happens: the streams of the parents that have workers at work. Each goes on after the last
// change that was heard, so that a lost connection leaves no gap and repeats nothing.
import type { ResultOf } from "../client/graphql.ts";
import { createStore } from "../client/store.ts";
import { follow } from "../client/stream.ts";
import { mergeLatestFirst } from "./latest-first.ts";
import { parentChanges, type Parent } from "./operations.ts";
import { overview, type Overview } from "./overview.ts";
import { isLive } from "./states.ts";

/** Streams that are followed at once: those of the youngest parents with workers at work. */
const mostStreams = 20;
const mostEntries = 200;
const mostReports = 1_000;
/** Of a parent that comes into view, so many earlier changes are shown. */
const earlier = 10;

type Change = ResultOf<typeof parentChanges>["workerStatusChanged"];

export interface ActivityEntry extends Change {
  readonly parent: string;
  /** Unique among all. */
  readonly key: string;
}

/** The latest first. */
export const activity = createStore<readonly ActivityEntry[]>([]);

/** By worker's id, what it reported last. */
export const reports = createStore<ReadonlyMap<string, string>>(new Map());

/** Returns what ends it. */
export function followActivity(): () => void {
  const streams = new Map<string, () => void>();

  function look(): void {
    const busy = new Map(findBusy(overview.read()).map((parent) => [parent.id, parent]));
    for (const [id, parent] of busy) {
      if (!streams.has(id)) streams.set(id, followParent(parent));
    }
    // One that has come to rest is kept while there is room: its last change may still be on its way.
    for (const [id, end] of streams) {
      if (streams.size <= mostStreams) break;
      if (busy.has(id)) continue;
      end();
      streams.delete(id);
    }
  }

  const unwatch = overview.watch(look);
  look();
  return () => {
    unwatch();
    for (const end of streams.values()) end();
  };
}

/** Parents with workers that have not ended; nothing comes from the others. */
function findBusy({ workers, parents }: Overview): Parent[] {
  const ids = new Set<string>();
  for (const { status, parentSession } of workers.values()) {
    if (isLive(status)) ids.add(parentSession.id);
  }
  return [...ids]
    .flatMap((id) => parents.get(id) ?? [])
    .sort((one, other) => Date.parse(other.createdAt) - Date.parse(one.createdAt))
    .slice(0, mostStreams);
}

/** Where a parent's stream goes on that was followed before. */
const heard = new Map<string, number>();

function followParent({ id, name, lastSequence }: Parent): () => void {
  let after = heard.get(id) ?? Math.max(0, lastSequence - earlier);
  const variables = (): { parentSession: string; after: number } => ({
    parentSession: name,
    after,
  });
  const handlers = {
    onData({ workerStatusChanged: entry }: ResultOf<typeof parentChanges>) {
      after = entry.sequence;
      heard.set(id, after);
      add({
        ...entry,
        parent: name,
        key: `${id}:${String(entry.sequence)}`,
      });
    },
    onFailure({ code, facts }: { code: string; facts: Readonly<Record<string, unknown>> }) {
      // Retention has removed what was asked for: it begins with what there is.
      if (code !== "EVENTS_EXPIRED" || typeof facts["firstSequence"] !== "number") return;
      after = facts["firstSequence"] - 1;
      end = follow(parentChanges, variables, handlers);
    },
  };
  let end = follow(parentChanges, variables, handlers);
  return () => end();
}

/** Many come at once where a stream begins: they are shown together. */
const gatherMs = 60;
let gathered: ActivityEntry[] = [];

function add(entry: ActivityEntry): void {
  if (gathered.length === 0) window.setTimeout(show, gatherMs);
  gathered.push(entry);
}

function show(): void {
  const entries = gathered;
  gathered = [];
  activity.write(mergeLatestFirst(activity.read(), entries, mostEntries));
  const told = entries.filter(({ report }) => report !== null);
  if (told.length === 0) return;
  const all = [
    ...reports.read(),
    ...told.map(({ worker, report }) => [worker.id, report ?? ""] as const),
  ];
  reports.write(new Map(all.slice(-mostReports)));
}
