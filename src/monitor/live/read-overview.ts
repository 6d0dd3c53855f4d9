// Reads the overview: whole, or what has changed.
import type { TadaDocumentNode, VariablesOf } from "../client/graphql.ts";
import { ask } from "../client/stream.ts";
import {
  countsQuery,
  newWorkerNode,
  parentNode,
  parentPage,
  places,
  queueReasons,
  repositoryNode,
  workerNode,
  workerPage,
  workerStatePage,
  worktreeNode,
  type Worker,
  type WorkerState,
  type WorkerStatus,
} from "./operations.ts";
import {
  change,
  endedPage,
  keepIfSame,
  mergeStates,
  mostLive,
  mostPlaces,
  overview,
  prune,
  type Counts,
} from "./overview.ts";
import { allStatuses, endedStatuses, failedStatuses, isLive, liveStatuses } from "./states.ts";

/** The server's own limit. */
const pageSize = 100;
const mostAtOnce = 25;

/** @param withFacts false: of workers that are known already, the states alone */
export async function readAll(withFacts: boolean, signal: AbortSignal): Promise<void> {
  const { endedLimit } = overview.read();
  const [live, ended, failed, parents, found] = await Promise.all([
    readWorkers(liveStatuses, mostLive, withFacts, signal),
    readWorkers(endedStatuses, endedLimit, withFacts, signal),
    readWorkers(failedStatuses, endedPage, withFacts, signal),
    ask(parentPage, { last: pageSize }, signal),
    ask(places, { first: mostPlaces }, signal),
  ]);
  const before = overview.read();
  const workers = new Map(withFacts ? [] : before.workers);
  for (const worker of [...live.facts, ...ended.facts, ...failed.facts]) {
    workers.set(worker.id, keepIfSame(before.workers.get(worker.id), worker));
  }
  const unknown = mergeStates(workers, [...live.states, ...ended.states, ...failed.states]);
  if (!live.hasMore) {
    // Those that have ended since, and so long ago that they are on no page.
    const stillLive = new Set([...live.facts, ...live.states].map(({ id }) => id));
    const isMissing = ({ id, status }: Worker) => isLive(status) && !stillLive.has(id);
    unknown.push(...[...workers.values()].filter(isMissing).map(({ id }) => id));
  }
  change({
    isLoaded: true,
    workers: prune(workers, endedLimit),
    parents: keyed(parents.parentSessions.nodes, before.parents),
    repositories: keyed(found.repositories.nodes, before.repositories),
    worktrees: keyed(found.worktrees.nodes, before.worktrees),
    placeCounts: {
      repositories: found.repositories.totalCount,
      worktrees: found.worktrees.totalCount,
    },
    hasOlder: ended.hasMore,
  });
  await readWorkerNodes(unknown, signal);
  await readMissingParents(signal);
}

interface Pages {
  readonly facts: Worker[];
  readonly states: WorkerState[];
  readonly hasMore: boolean;
}

/** The youngest ones, page by page. */
async function readWorkers(
  status: readonly WorkerStatus[],
  most: number,
  withFacts: boolean,
  signal: AbortSignal,
): Promise<Pages> {
  const facts: Worker[] = [];
  const states: WorkerState[] = [];
  let before: string | null = null;
  for (let left = most; left > 0; left -= pageSize) {
    const variables: PageVariables = {
      status: [...status],
      last: Math.min(left, pageSize),
      before,
    };
    const page = withFacts
      ? await readFacts(variables, facts, signal)
      : await readStates(variables, states, signal);
    if (!page.hasPreviousPage) return { facts, states, hasMore: false };
    before = page.startCursor;
  }
  return { facts, states, hasMore: true };
}

type PageVariables = VariablesOf<typeof workerPage>;

interface Place {
  readonly hasPreviousPage: boolean;
  readonly startCursor: string | null;
}

async function readFacts(
  variables: PageVariables,
  into: Worker[],
  signal: AbortSignal,
): Promise<Place> {
  const { workerSessions } = await ask(workerPage, variables, signal);
  into.push(...workerSessions.nodes);
  return workerSessions.pageInfo;
}

async function readStates(
  variables: PageVariables,
  into: WorkerState[],
  signal: AbortSignal,
): Promise<Place> {
  const { workerSessions } = await ask(workerStatePage, variables, signal);
  into.push(...workerSessions.nodes);
  return workerSessions.pageInfo;
}

/** Ids, as the subscription tells them. */
export interface ChangedIds {
  readonly workerSessions: readonly string[];
  readonly parentSessions: readonly string[];
  readonly repositories: readonly string[];
  readonly worktrees: readonly string[];
}

export async function readChanged(ids: ChangedIds, signal: AbortSignal): Promise<void> {
  const [parents, repositories, worktrees] = await Promise.all([
    readRows(parentNode, ids.parentSessions, signal),
    readRows(repositoryNode, ids.repositories, signal),
    readRows(worktreeNode, ids.worktrees, signal),
    readWorkerNodes(ids.workerSessions, signal),
  ]);
  const before = overview.read();
  const changed = {
    parents: replaced(before.parents, parents),
    repositories: replaced(before.repositories, repositories),
    worktrees: replaced(before.worktrees, worktrees),
  };
  change({
    ...changed,
    placeCounts: {
      repositories:
        before.placeCounts.repositories + changed.repositories.size - before.repositories.size,
      worktrees: before.placeCounts.worktrees + changed.worktrees.size - before.worktrees.size,
    },
  });
  await readMissingParents(signal);
}

/** Of those that are known the states alone. */
async function readWorkerNodes(ids: readonly string[], signal: AbortSignal): Promise<void> {
  const known = ids.filter((id) => overview.read().workers.has(id));
  const unknown = ids.filter((id) => !known.includes(id));
  const [states, rows] = await Promise.all([
    readRows(workerNode, known, signal),
    readRows(newWorkerNode, unknown, signal),
  ]);
  const before = overview.read();
  const workers = replaced(before.workers, rows);
  for (const [id, state] of states) {
    const worker = workers.get(id);
    if (state === undefined) workers.delete(id);
    else if (worker !== undefined) workers.set(id, keepIfSame(worker, { ...worker, ...state }));
  }
  change({ workers: prune(workers, before.endedLimit) });
}

/** undefined: it is gone. */
type Rows<Row> = readonly (readonly [string, Row | undefined])[];

async function readRows<Node extends object>(
  document: TadaDocumentNode<{ node: Node | null }, { id: string }>,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<Rows<Extract<Node, { id: string }>>> {
  const rows: [string, Extract<Node, { id: string }> | undefined][] = [];
  for (let start = 0; start < ids.length; start += mostAtOnce) {
    const answers = ids
      .slice(start, start + mostAtOnce)
      .map(async (id) => [id, (await ask(document, { id }, signal)).node] as const);
    for (const [id, node] of await Promise.all(answers)) {
      rows.push([id, node !== null && hasId(node) ? node : undefined]);
    }
  }
  return rows;
}

/** Only of the type that was asked for is anything selected. */
function hasId<Node extends object>(node: Node): node is Extract<Node, { id: string }> {
  return "id" in node;
}

function replaced<Row extends object>(
  before: ReadonlyMap<string, Row>,
  rows: Rows<Row>,
): Map<string, Row> {
  const after = new Map(before);
  for (const [id, row] of rows) {
    if (row === undefined) after.delete(id);
    else after.set(id, keepIfSame(before.get(id), row));
  }
  return after;
}

/** Those of workers that are shown, where the page of the youngest doesn't hold them. */
async function readMissingParents(signal: AbortSignal): Promise<void> {
  const { workers, parents } = overview.read();
  const ids = new Set([...workers.values()].map(({ parentSession }) => parentSession.id));
  const missing = [...ids].filter((id) => !parents.has(id));
  if (missing.length === 0) return;
  const rows = await readRows(parentNode, missing, signal);
  change({ parents: replaced(overview.read().parents, rows) });
}

export async function readQueue(signal: AbortSignal): Promise<void> {
  const isQueued = ({ status }: Worker) => status === "QUEUED";
  if (![...overview.read().workers.values()].some(isQueued)) return;
  const { workerSessions } = await ask(queueReasons, { first: pageSize }, signal);
  const workers = new Map(overview.read().workers);
  for (const { id, statusReason } of workerSessions.nodes) {
    const known = workers.get(id);
    if (known?.status === "QUEUED") workers.set(id, keepIfSame(known, { ...known, statusReason }));
  }
  change({ workers });
}

export async function readCounts(signal: AbortSignal): Promise<void> {
  const counted = await ask(countsQuery, {}, signal);
  const { counts } = overview.read();
  const now = Object.fromEntries(
    allStatuses.map((status) => [status, counted[status].totalCount]),
  ) as Counts;
  change({ counts: keepIfSame(counts, now) });
}

function keyed<Row extends { readonly id: string }>(
  rows: readonly Row[],
  before: ReadonlyMap<string, Row>,
): Map<string, Row> {
  return new Map(rows.map((row) => [row.id, keepIfSame(before.get(row.id), row)]));
}
