// `factory watch`: a parent's workers as they change. A line for each change where a program reads it; a table that
// moves in a terminal.
import { ask } from "./ask.ts";
import { CommandError, exitCodes, findServer, type Server } from "./connection.ts";
import type { WatchOptions } from "./define-workers.ts";
import { document } from "./document.ts";
import { follow } from "./follow.ts";
import { oneLine } from "./harmless.ts";
import { isTerminal, printJsonLine, say, tell, untilTaken } from "./print.ts";
import { nearParents } from "./suggest.ts";
import type { PermissionRequest } from "./worker-events.ts";
import { workerFields, type Worker } from "./worker-fields.ts";
import { permissionFields } from "./worker-events.ts";

export interface StatusChange {
  readonly sequence: number;
  readonly at: string;
  readonly previousStatus: string | null;
  readonly status: string;
  readonly reason: string | null;
  readonly report: string | null;
  readonly outcome: string | null;
  readonly permission: PermissionRequest | null;
  /** As it is now. */
  readonly worker: Worker;
}

const changesDocument = document<
  { readonly workerStatusChanged: StatusChange },
  { readonly parent: string; readonly after: number }
>(`subscription ($parent: String!, $after: Int) {
  workerStatusChanged(parentSession: $parent, after: $after) {
    sequence at previousStatus status reason report outcome permission { ${permissionFields} }
    worker { ${workerFields} }
  }
}`);

export interface ParentState {
  readonly lastSequence: number;
  /** The latest, oldest first. */
  readonly workerSessions: { readonly nodes: readonly Worker[] };
}

const parentDocument = document<
  { readonly parentSession: ParentState | null },
  { readonly parent: string; readonly count: number }
>(`query ($parent: String!, $count: Int!) {
  parentSession(name: $parent) {
    lastSequence
    workerSessions(last: $count) { nodes { ${workerFields} } }
  }
}`);

export async function watch(parent: string, options: WatchOptions): Promise<number> {
  const server = await findServer();
  const { after, json = false } = options;
  if (isTerminal() && !json && after === undefined) {
    const state = await readParent(server, parent, 100);
    const { showLive } = await import("./watch-table.ts");
    return showLive(parent, state, (from, how) =>
      changesOf(server, parent, { after: from, ...how }),
    );
  }
  const from = toSequence(after ?? "0", await readParent(server, parent, 0));
  const changes = changesOf(server, parent, {
    after: from,
    onLost: (reason) => {
      tell(`the connection is lost (${reason}), and tried again`);
    },
  });
  for await (const change of changes) {
    if (json) printJsonLine(change);
    else say(describe(change));
    await untilTaken();
  }
  return exitCodes.done;
}

export interface ChangesOptions {
  readonly after: number;
  readonly signal?: AbortSignal;
  readonly onLost?: (reason: string) => void;
  readonly onFound?: () => void;
}

/** Never completes by itself. */
function changesOf(
  server: Server,
  parent: string,
  options: ChangesOptions,
): AsyncGenerator<StatusChange> {
  return follow(server, {
    ...options,
    document: changesDocument,
    variables: { parent },
    pick: ({ workerStatusChanged }) => workerStatusChanged,
    isOver: () => false,
  });
}

/** One that has not dispatched yet has no workers and no changes; its name may also be mistyped. */
async function readParent(server: Server, parent: string, count: number): Promise<ParentState> {
  const { parentSession } = await ask(server, parentDocument, { parent, count });
  if (parentSession !== null) return parentSession;
  const near = await nearParents(server, parent);
  const advice = near.length === 0 ? "" : ` Did you mean ${near.join(" or ")}?`;
  tell(`${oneLine(parent)} has not dispatched yet, and is waited for.${advice}`);
  return { lastSequence: 0, workerSessions: { nodes: [] } };
}

function toSequence(after: string, { lastSequence }: ParentState): number {
  if (after === "last") return lastSequence;
  if (/^\d+$/.test(after)) return Number(after);
  throw new CommandError(
    exitCodes.badUsage,
    `--after is ${JSON.stringify(after)}: it may be the sequence of a change, 0 for all, or last for what comes from now on`,
  );
}

function describe({ sequence, at, status, reason, report, outcome, worker }: StatusChange): string {
  const told =
    report === null ? reason : `reports${outcome === null ? "" : ` ${outcome}`}: ${report}`;
  return [
    String(sequence).padStart(4),
    new Date(at).toTimeString().slice(0, 8),
    worker.name.padEnd(10),
    status.padEnd(9),
    oneLine(worker.branch),
    ...(told === null ? [] : [oneLine(told)]),
  ].join("  ");
}
