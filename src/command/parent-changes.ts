// A parent's workers and their changes, as the server tells of them.
import { ask } from "./ask.ts";
import type { Server } from "./connection.ts";
import { document } from "./document.ts";
import { oneLine } from "./harmless.ts";
import { follow } from "./follow.ts";
import { tell } from "./print.ts";
import { adviseParent } from "./suggest.ts";
import { permissionFields, type PermissionRequest } from "./worker-events.ts";
import { workerFields, type Worker } from "./worker-fields.ts";

export interface StatusChange {
  readonly sequence: number;
  readonly at: string;
  readonly previousStatus: string | null;
  readonly status: string;
  readonly reason: string | null;
  readonly report: string | null;
  readonly outcome: string | null;
  /** With a final status. */
  readonly commitCount: number | null;
  readonly uncommittedFileCount: number | null;
  readonly summary: string | null;
  readonly permission: PermissionRequest | null;
  /** As it is now. */
  readonly worker: Worker;
}

const changesDocument = document<
  { readonly workerStatusChanged: StatusChange },
  { readonly parent: string; readonly after: number }
>(`subscription ($parent: String!, $after: Int) {
  workerStatusChanged(parentSession: $parent, after: $after) {
    sequence at previousStatus status reason report outcome
    commitCount uncommittedFileCount summary permission { ${permissionFields} }
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

export interface ChangesOptions {
  readonly after: number;
  readonly signal?: AbortSignal;
  readonly onLost?: (reason: string) => void;
  readonly onFound?: () => void;
}

/** Never completes by itself. */
export function changesOf(
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
export async function readParent(
  server: Server,
  parent: string,
  count: number,
): Promise<ParentState> {
  const { parentSession } = await ask(server, parentDocument, { parent, count });
  if (parentSession !== null) return parentSession;
  // The subscription says what is wrong with it.
  if (parent.trim() === "") return { lastSequence: 0, workerSessions: { nodes: [] } };
  const advice = await adviseParent(server, parent);
  tell(`${oneLine(parent)} has not dispatched yet, and is waited for.${advice}`);
  return { lastSequence: 0, workerSessions: { nodes: [] } };
}
