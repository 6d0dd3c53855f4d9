// The streams of workers and parents, as server-sent events.
import { z } from "zod";
import { ReportOutcome, WorkerStatus } from "../generated/prisma/enums.ts";
import { mapGenerator } from "../map-generator.ts";
import { ask, listen, type Call } from "./call.ts";
import { dateTime, described, selectionOf } from "./described.ts";
import type { ServerSentEvents } from "./event-stream.ts";
import { wholeNumber } from "./query.ts";
import { emptyReply, replyWithEvents } from "./reply.ts";
import { defineRoute } from "./route.ts";
import { sessionNotFound, sessionParams } from "./sessions.ts";
import { blockedHostShape, permissionShape, usageShape, workerShape } from "./workers.ts";

const event = { sequence: z.int(), at: dateTime };
/** null without a final status. */
const endFacts = {
  commitCount: z.int().nullable(),
  uncommittedFileCount: z.int().nullable(),
  summary: z.string().nullable(),
};
const nullableStatus = z.enum(WorkerStatus).nullable();

function workerEventOf<Name extends string, Fields extends Readonly<Record<string, z.ZodType>>>(
  typeName: Name,
  fields: Fields,
) {
  const shape = { __typename: z.literal(typeName), ...event, ...fields };
  return described(typeName, shape).meta({ id: typeName });
}

export const workerEvent = z
  .discriminatedUnion("__typename", [
    workerEventOf("WorkerStatusEvent", {
      previousStatus: nullableStatus,
      status: z.enum(WorkerStatus),
      reason: z.string().nullable(),
      ...endFacts,
    }),
    workerEventOf("WorkerOutputEvent", {
      channel: z.enum(["STDOUT", "STDERR"]),
      text: z.string(),
    }),
    workerEventOf("WorkerReportEvent", {
      message: z.string(),
      outcome: z.enum(ReportOutcome).nullable(),
    }),
    workerEventOf("WorkerMessageEvent", {
      role: z.enum(["USER", "AGENT", "THOUGHT"]),
      text: z.string(),
    }),
    workerEventOf("WorkerToolCallEvent", {
      toolCallId: z.string(),
      title: z.string(),
      kind: z.string().nullable(),
      toolCallStatus: z.enum(["PENDING", "RUNNING", "COMPLETED", "FAILED"]),
      content: z.string().nullable(),
    }),
    workerEventOf("WorkerUsageEvent", { usage: usageShape }),
    workerEventOf("WorkerPermissionEvent", { request: permissionShape }),
    workerEventOf("WorkerBlockedEvent", blockedHostShape),
  ])
  .meta({ id: "WorkerEvent", description: "Something that a worker did." });

const statusChange = described("WorkerStatusChange", {
  ...event,
  previousStatus: nullableStatus,
  status: z.enum(WorkerStatus),
  reason: z.string().nullable(),
  report: z.string().nullable(),
  outcome: z.enum(ReportOutcome).nullable(),
  ...endFacts,
  permission: permissionShape.nullable(),
  // As much as a webhook tells.
  worker: workerShape.pick({
    id: true,
    name: true,
    status: true,
    statusReason: true,
    failureCode: true,
    agent: true,
    branch: true,
    issue: true,
    repositoryName: true,
    attempt: true,
    summary: true,
    exitCode: true,
    pushedTo: true,
    commitCount: true,
    uncommittedFileCount: true,
    usage: true,
  }),
}).meta({ id: "WorkerStatusChange" });

const sessionEvent = z.union([workerEvent, statusChange]).meta({
  id: "SessionEvent",
  description: "A worker's event has a __typename; a status change has a worker.",
});

const after = {
  query: z.strictObject({
    after: wholeNumber(
      "Replay what is stored after this sequence, then go on live; 0: from the oldest. Default: what comes from now on.",
    ),
  }),
  headers: z.object({
    "Last-Event-ID": wholeNumber(
      "The id of the last event that came, as a browser's EventSource sends it; it wins over after.",
    ),
  }),
};

function cursorOf({
  query,
  headers,
}: {
  readonly query: { readonly after?: number | undefined };
  readonly headers: { readonly "Last-Event-ID"?: number | undefined };
}): number | undefined {
  return headers["Last-Event-ID"] ?? query.after;
}

const find = {
  document: `query ($name: ID!) {
    workerSession(id: $name) { name finishedAt lastSequence }
  }`,
  as: z.object({
    workerSession: z
      .object({ name: z.string(), finishedAt: z.string().nullable(), lastSequence: z.int() })
      .nullable(),
  }),
};

/** null: it is no worker, and may be a parent that doesn't exist yet. @throws FactoryError */
async function findWorker(call: Call, name: string) {
  const { workerSession } = await ask(call, find, { name });
  const notFound = sessionNotFound(name);
  if (workerSession === null && notFound.code === "WORKER_NOT_FOUND") throw notFound;
  return workerSession;
}

const workerEvents = {
  document: `subscription ($name: ID!, $after: Int) {
    workerEvents(id: $name, after: $after) ${selectionOf(workerEvent)}
  }`,
  as: z.object({ workerEvents: workerEvent }),
};

const statusChanges = {
  document: `subscription ($name: String!, $after: Int) {
    workerStatusChanged(parentSession: $name, after: $after) ${selectionOf(statusChange)}
  }`,
  as: z.object({ workerStatusChanged: statusChange }),
};

async function followParent(
  call: Call,
  name: string,
  cursor: number | undefined,
): Promise<ServerSentEvents> {
  const variables = { name, after: cursor };
  const changes = await listen(call, statusChanges, variables, { parentSession: "name" });
  return mapGenerator(changes, ({ workerStatusChanged: data }) => ({ id: data.sequence, data }));
}

const errors = ["WORKER_NOT_FOUND", "CURSOR_AHEAD", "EVENTS_EXPIRED", "LIMIT_EXCEEDED"] as const;
const waits = "A parent that doesn't exist yet is waited for.";

const followSession = defineRoute({
  method: "get",
  path: "/api/agents/sessions/{name}/events",
  operationId: "followSession",
  tag: "Events",
  summary: "Follow a worker, or a parent's workers",
  description: `Everything that a worker does, until its last event; of a parent that is no worker, the status changes of its workers, without an end. ${waits}`,
  params: sessionParams,
  ...after,
  answers: {
    200: {
      description: "Server-sent events, each with its sequence as id.",
      events: sessionEvent,
    },
    204: { description: "The worker has ended, and there is nothing after that event." },
  },
  errors,
  async run({ params: { name }, ...from }, call) {
    const cursor = cursorOf(from);
    const worker = await findWorker(call, name);
    if (worker === null) return replyWithEvents(await followParent(call, name, cursor));
    // A client that comes again after the last event is told to stop.
    const { finishedAt, lastSequence } = worker;
    if (finishedAt !== null && (cursor ?? lastSequence) === lastSequence) return emptyReply;
    const variables = { name: worker.name, after: cursor };
    const events = await listen(call, workerEvents, variables);
    return replyWithEvents(
      mapGenerator(events, ({ workerEvents: data }) => ({ id: data.sequence, data })),
    );
  },
});

const followWorkers = defineRoute({
  method: "get",
  path: "/api/agents/sessions/{name}/workers/events",
  operationId: "followWorkers",
  tag: "Events",
  summary: "Follow a session's workers",
  description: `The status changes and reports of the workers that the parent, or the worker, dispatched itself, without an end. ${waits}`,
  params: sessionParams,
  ...after,
  answers: {
    200: {
      description: "Server-sent events, each with its sequence as id.",
      events: statusChange,
    },
  },
  errors,
  async run({ params: { name }, ...from }, call) {
    const worker = await findWorker(call, name);
    const events = await followParent(call, worker?.name ?? name, cursorOf(from));
    return replyWithEvents(events);
  },
});

export const eventRoutes = [followSession, followWorkers];
