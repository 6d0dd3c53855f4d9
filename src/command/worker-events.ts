// What a worker did, stored and as it happens.
import { ask, Refusal } from "./ask.ts";
import type { Server } from "./connection.ts";
import { document } from "./document.ts";
import { follow, type ConnectionWatch } from "./follow.ts";
import { isFinal } from "./worker-fields.ts";

export type WorkerEvent =
  | {
      readonly __typename: "WorkerStatusEvent";
      readonly status: string;
      readonly reason: string | null;
    }
  | { readonly __typename: "WorkerOutputEvent"; readonly channel: string; readonly text: string }
  | {
      readonly __typename: "WorkerReportEvent";
      readonly message: string;
      readonly outcome: string | null;
    }
  | {
      readonly __typename: "WorkerMessageEvent";
      readonly role: "USER" | "AGENT" | "THOUGHT";
      readonly text: string;
    }
  | {
      readonly __typename: "WorkerToolCallEvent";
      readonly toolCallId: string;
      readonly title: string;
      readonly toolCallStatus: string;
    }
  | { readonly __typename: "WorkerUsageEvent" }
  | {
      readonly __typename: "WorkerBlockedEvent";
      readonly host: string;
      readonly port: number;
      readonly blockReason: string;
    }
  | { readonly __typename: "WorkerPermissionEvent"; readonly request: PermissionRequest };

export interface PermissionRequest {
  readonly id: string;
  /** In the model's words. */
  readonly title: string;
  /** What will be done. */
  readonly command: string | null;
  readonly kind: string | null;
  readonly locations: readonly string[];
  readonly diff: string | null;
  /** The id of the option that was chosen. */
  readonly answer: string | null;
  readonly options: readonly {
    readonly id: string;
    readonly name: string;
    readonly kind: string;
  }[];
}

export const permissionFields =
  "id title command kind locations diff answer options { id name kind }";

type Stored = WorkerEvent & { readonly sequence: number; readonly at: string };

const eventFields = `
  __typename sequence at
  ... on WorkerStatusEvent { previousStatus status reason commitCount uncommittedFileCount summary }
  ... on WorkerOutputEvent { channel text }
  ... on WorkerReportEvent { message outcome }
  ... on WorkerMessageEvent { role text }
  ... on WorkerToolCallEvent { toolCallId title kind toolCallStatus content }
  ... on WorkerUsageEvent { usage { inputTokens outputTokens costUsd } }
  ... on WorkerBlockedEvent { host port blockReason }
  ... on WorkerPermissionEvent { request { ${permissionFields} } }`;

const pageSize = 1_000;

interface Answer {
  readonly workerSession: {
    readonly lastSequence: number;
    readonly events: readonly Stored[];
  } | null;
}

const storedDocument = document<
  Answer,
  { readonly id: string; readonly after: number | null }
>(`query ($id: ID!, $after: Int) {
  workerSession(id: $id) { lastSequence events(after: $after, first: ${String(pageSize)}) { ${eventFields} } }
}`);

const allDocument = document<
  { readonly workerEvents: Stored },
  { readonly id: string; readonly after: number }
>(`subscription ($id: ID!, $after: Int) {
  workerEvents(id: $id, after: $after) { ${eventFields} }
}`);

/** For who waits for the end alone: what is printed meanwhile is left out. */
const statusDocument: typeof allDocument = document(`subscription ($id: ID!, $after: Int) {
  workerEvents(id: $id, after: $after) {
    __typename sequence at
    ... on WorkerStatusEvent { previousStatus status reason }
  }
}`);

/** What is stored. @throws Refusal WORKER_NOT_FOUND */
export async function* readEvents(server: Server, id: string): AsyncGenerator<Stored> {
  let after: number | null = null;
  for (;;) {
    const stored: Answer = await ask(server, storedDocument, { id, after });
    if (stored.workerSession === null) throw unknownWorker(id);
    const { events, lastSequence } = stored.workerSession;
    yield* events;
    const last = events.at(-1);
    if (last === undefined || last.sequence >= lastSequence) return;
    after = last.sequence;
  }
}

export interface FollowOptions extends ConnectionWatch {
  readonly after: number;
  /** Its statuses alone. */
  readonly isBrief?: boolean;
  readonly signal?: AbortSignal;
}

/** What comes after the sequence, until it has ended. */
export function followEvents(
  server: Server,
  id: string,
  { isBrief = false, ...options }: FollowOptions,
): AsyncGenerator<Stored> {
  let isOver = false;
  return follow(server, {
    ...options,
    document: isBrief ? statusDocument : allDocument,
    variables: { id },
    pick({ workerEvents }) {
      isOver ||= workerEvents.__typename === "WorkerStatusEvent" && isFinal(workerEvents.status);
      return workerEvents;
    },
    isOver: () => isOver,
  });
}

export function unknownWorker(id: string): Refusal {
  return new Refusal(
    "WORKER_NOT_FOUND",
    `WORKER_NOT_FOUND: there is no worker ${JSON.stringify(id.slice(0, 100))}: "factory workers" lists them`,
  );
}
