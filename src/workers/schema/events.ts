import type { StoredEvent } from "../../events/read.ts";
import type { ReportOutcome, WorkerStatus } from "../../generated/prisma/enums.ts";
import { builder } from "../../graphql/builder.ts";
import type { ParentEventPayload, WorkerEventPayloads } from "../events.ts";
import { ReportOutcomeRef, WorkerStatusRef } from "./enums.ts";
import { PermissionRequestRef } from "./permissions.ts";
import { BlockReasonRef, WorkerSessionRef } from "./worker-session.ts";
import { mostStatusEvents } from "../status-events.ts";
import { assertSeesParent, assertSeesWorker, type Viewer } from "../../access/viewer.ts";
import type { WorkerService } from "../service.ts";

const OutputChannelRef = builder.enumType("OutputChannel", {
  description: "Where a worker printed something.",
  values: {
    STDOUT: { description: "Its standard output." },
    STDERR: { description: "Its standard error." },
  },
});

interface EventBase {
  readonly sequence: number;
  readonly at: Date;
}

export const WorkerEventRef = builder.interfaceRef<StoredEvent>("WorkerEvent");
WorkerEventRef.implement({
  description: "Something that a worker did.",
  fields: (t) => ({
    sequence: t.exposeInt("sequence", { description: "Per worker, from 1, without holes." }),
    at: t.expose("at", { type: "DateTime", description: "When it happened." }),
  }),
  resolveType: ({ type }) => typeNames[type],
});

/** By the stored type of an event. */
const typeNames: Readonly<Record<string, string>> = {
  status: "WorkerStatusEvent",
  output: "WorkerOutputEvent",
  report: "WorkerReportEvent",
  message: "WorkerMessageEvent",
  toolCall: "WorkerToolCallEvent",
  usage: "WorkerUsageEvent",
  permission: "WorkerPermissionEvent",
  blocked: "WorkerBlockedEvent",
} satisfies Record<keyof WorkerEventPayloads, string>;

/** Written by record.ts, report.ts and output.ts alone, each with its type's payload. */
export function payloadOf<Type extends keyof WorkerEventPayloads>(
  _type: Type,
  { payload }: StoredEvent,
): WorkerEventPayloads[Type] {
  return payload as WorkerEventPayloads[Type];
}

const WorkerStatusEventRef = builder.objectRef<StoredEvent>("WorkerStatusEvent").implement({
  description: "The session's status changed.",
  interfaces: [WorkerEventRef],
  fields: (t) => ({
    previousStatus: t.field({
      type: WorkerStatusRef,
      nullable: true,
      description: "null for the first.",
      resolve: (event): WorkerStatus | null => payloadOf("status", event).previousStatus,
    }),
    status: t.field({
      type: WorkerStatusRef,
      description: "The status from then on.",
      resolve: (event): WorkerStatus => payloadOf("status", event).status,
    }),
    reason: t.string({
      nullable: true,
      description: "Why, fit to show to a person.",
      resolve: (event) => payloadOf("status", event).reason,
    }),
    commitCount: t.int({
      nullable: true,
      description:
        "With a final status: how many commits the session added to its branch. null with any other, or where that is unknown.",
      resolve: (event) => payloadOf("status", event).commitCount ?? null,
    }),
    uncommittedFileCount: t.int({
      nullable: true,
      description:
        "With a final status: how many files it left changed or untracked, ignored ones excepted. null with any other, or where that is unknown.",
      resolve: (event) => payloadOf("status", event).uncommittedFileCount ?? null,
    }),
    summary: t.string({
      nullable: true,
      description:
        "With a final status: the first 500 characters of the session's summary. null with any other, or where there is none.",
      resolve: (event) => payloadOf("status", event).summary ?? null,
    }),
  }),
});

builder.objectRef<StoredEvent>("WorkerOutputEvent").implement({
  description: "The agent printed something.",
  interfaces: [WorkerEventRef],
  fields: (t) => ({
    channel: t.field({
      type: OutputChannelRef,
      description: "Where it printed it.",
      resolve: (event): "STDOUT" | "STDERR" => payloadOf("output", event).channel,
    }),
    text: t.string({
      description:
        "As printed, terminal escapes included; bytes that are no UTF-8, and NUL, stand as U+FFFD; secrets of the server as [redacted]. A line may be split between events.",
      resolve: (event) => payloadOf("output", event).text,
    }),
  }),
});

builder.objectRef<StoredEvent>("WorkerReportEvent").implement({
  description: "The worker reported something.",
  interfaces: [WorkerEventRef],
  fields: (t) => ({
    message: t.string({
      description: "As reported.",
      resolve: (event) => payloadOf("report", event).message,
    }),
    outcome: t.field({
      type: ReportOutcomeRef,
      nullable: true,
      description: "What became of the work, where it said so.",
      resolve: (event): ReportOutcome | null => payloadOf("report", event).outcome,
    }),
  }),
});

builder.objectRef<StoredEvent>("WorkerBlockedEvent").implement({
  description:
    "The worker's sandbox refused it a host, once for each host and port, 200 at most. Allow it by FACTORY_NETWORK.",
  interfaces: [WorkerEventRef],
  fields: (t) => ({
    host: t.string({
      description: "A name in lower case, or an address.",
      resolve: (event) => payloadOf("blocked", event).host,
    }),
    port: t.int({ resolve: (event) => payloadOf("blocked", event).port, description: "Of TCP." }),
    blockReason: t.field({
      type: BlockReasonRef,
      description: "Why.",
      resolve: (event) => payloadOf("blocked", event).reason,
    }),
  }),
});

builder.prismaObjectField(WorkerSessionRef, "statusEvents", (t) =>
  t.field({
    type: [WorkerStatusEventRef],
    description: `The changes of its status among its stored events, oldest first; the latest ${String(mostStatusEvents)}.`,
    select: { streamId: true },
    resolve: async ({ streamId }, _args, { loaders }) => [
      ...(await loaders.statusEvents.load(streamId)),
    ],
  }),
);

builder.prismaObjectField(WorkerSessionRef, "events", (t) =>
  t.field({
    type: [WorkerEventRef],
    description:
      "The stored events, oldest first: what workerEvents replays. Fewer than `first` where they are large, some 4 MB at most: read on until lastSequence. Errors: BAD_INPUT, CURSOR_AHEAD, EVENTS_EXPIRED.",
    args: {
      after: t.arg.int({ description: "Those after this sequence. Default: from the oldest." }),
      first: t.arg.int({ description: "How many: 500 by default, 1,000 at most." }),
    },
    resolve: async (session, { after, first }, { workers }) => [
      ...(await workers.readEvents(session, {
        after: after ?? undefined,
        first: first ?? undefined,
      })),
    ],
  }),
);

interface StatusChange extends EventBase, ParentEventPayload {}

export const WorkerStatusChangeRef = builder
  .objectRef<StatusChange>("WorkerStatusChange")
  .implement({
    description: "A status change or a report of one worker of a parent session.",
    fields: (t) => ({
      sequence: t.exposeInt("sequence", {
        description:
          "Per parent session, from 1, without holes, in the order in which the changes were committed.",
      }),
      at: t.expose("at", { type: "DateTime", description: "When it happened." }),
      previousStatus: t.expose("previousStatus", {
        type: WorkerStatusRef,
        nullable: true,
        description: "null for the first change, and equal to status for a report.",
      }),
      status: t.expose("status", {
        type: WorkerStatusRef,
        description: "The status at that moment; worker.status is today's.",
      }),
      reason: t.exposeString("reason", {
        nullable: true,
        description: "Why, fit to show to a person.",
      }),
      report: t.exposeString("report", {
        nullable: true,
        description: "Set where the worker reported something.",
      }),
      outcome: t.expose("outcome", {
        type: ReportOutcomeRef,
        nullable: true,
        description: "What became of the work, where the report said so.",
      }),
      commitCount: t.int({
        nullable: true,
        description:
          "With a final status: how many commits the session added to its branch. null with any other, or where that is unknown.",
        resolve: ({ commitCount }) => commitCount ?? null,
      }),
      uncommittedFileCount: t.int({
        nullable: true,
        description:
          "With a final status: how many files it left changed or untracked, ignored ones excepted. null with any other, or where that is unknown.",
        resolve: ({ uncommittedFileCount }) => uncommittedFileCount ?? null,
      }),
      summary: t.string({
        nullable: true,
        description:
          "With a final status: the first 500 characters of the session's summary. null with any other, or where there is none.",
        resolve: ({ summary }) => summary ?? null,
      }),
      permission: t.field({
        type: PermissionRequestRef,
        nullable: true,
        description: "Set where the worker asks for something, as it was asked.",
        resolve: ({ permission }) => permission ?? null,
      }),
      worker: t.prismaField({
        type: WorkerSessionRef,
        description: "The worker as it is now.",
        resolve: (query, { workerId }, _args, { prisma }) =>
          prisma.workerSession.findUniqueOrThrow({ ...query, where: { id: workerId } }),
      }),
    }),
  });

export function statusChangeOf({ sequence, at, payload }: StoredEvent): StatusChange {
  // Written by record.ts and report.ts alone, as a ParentEventPayload.
  return { ...(payload as ParentEventPayload), sequence, at };
}

/** A worker hears of its own children and further descendants. @throws FactoryError FORBIDDEN */
export async function assertHearsParent(
  { viewer, workers }: { readonly viewer: Viewer; readonly workers: WorkerService },
  name: string,
): Promise<void> {
  if (viewer.kind === "operator") return;
  const parent = await workers.findParent(name);
  const self = await workers.find(name);
  assertSeesParent(viewer, { name }, parent?.worker ?? self);
}

builder.subscriptionFields((t) => ({
  workerStatusChanged: t.field({
    type: WorkerStatusChangeRef,
    description:
      "Every status change and report of every worker of one parent session. A parent that doesn't exist yet is waited for. Never completes.",
    args: {
      parentSession: t.arg.string({ required: true, description: "The parent's name." }),
      after: t.arg.int({ description: "Replay what comes after this sequence, then go on live." }),
    },
    async subscribe(_root, { parentSession, after }, { viewer, workers }) {
      await assertHearsParent({ viewer, workers }, parentSession);
      return workers.followParent(parentSession, after ?? undefined);
    },
    resolve: statusChangeOf,
  }),
  workerEvents: t.field({
    type: WorkerEventRef,
    description:
      "Everything one worker does: status, output, reports. Completes after the session's last event; an ended worker's without after at once. Errors: WORKER_NOT_FOUND.",
    args: {
      id: t.arg.id({ required: true, description: "Its global id, or its name (worker-17)." }),
      after: t.arg.int({ description: "Replay what comes after this sequence, then go on live." }),
    },
    async subscribe(_root, { id, after }, { viewer, workers }) {
      const session = await workers.get(id);
      assertSeesWorker(viewer, session);
      return workers.followWorker(session, after ?? undefined);
    },
    resolve: (event: StoredEvent) => event,
  }),
}));
