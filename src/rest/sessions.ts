import { z } from "zod";
import { FactoryError } from "../errors.ts";
import { ask, type Call } from "./call.ts";
import { dateTime, described, selectionOf } from "./described.ts";
import { dispatchWorker } from "./dispatch.ts";
import { connectionShape, next, nextOf, pageQuery } from "./list.ts";
import { reply } from "./reply.ts";
import { defineRoute } from "./route.ts";
import { describeWorker, usageShape, worker, workerShape } from "./workers.ts";

const tag = "Sessions";

export const sessionParams = z.strictObject({
  name: z.string().describe("A worker's name, such as worker-17, or a parent's."),
});

/** There is neither a worker nor a parent of the name. */
export function sessionNotFound(name: string): FactoryError {
  const shown = JSON.stringify(name.slice(0, 100));
  if (/^worker-\d+$/.test(name)) {
    return new FactoryError("WORKER_NOT_FOUND", `there is no worker ${shown}`);
  }
  return new FactoryError(
    "NOT_FOUND",
    `there is no session ${shown}: a parent exists from its first dispatch on`,
  );
}

const counts = described("WorkerCounts", {
  total: z.int(),
  queued: z.int(),
  preparing: z.int(),
  running: z.int(),
  waiting: z.int(),
  succeeded: z.int(),
  failed: z.int(),
  cancelled: z.int(),
  timedOut: z.int(),
  lost: z.int(),
}).meta({ id: "WorkerCounts" });

const noWorkers: z.output<typeof counts> = {
  total: 0,
  queued: 0,
  preparing: 0,
  running: 0,
  waiting: 0,
  succeeded: 0,
  failed: 0,
  cancelled: 0,
  timedOut: 0,
  lost: 0,
};

const parent = described("ParentSession", {
  id: z.string(),
  name: z.string(),
  createdAt: dateTime,
  lastSequence: z.int(),
  workerCounts: counts,
  usage: usageShape.nullable(),
  maxCostUsd: z.number().nullable(),
}).meta({ id: "ParentSession" });

const readWorker = {
  document: `query ($name: ID!) { workerSession(id: $name) ${selectionOf(workerShape)} }`,
  as: z.object({ workerSession: workerShape.nullable() }),
};
const readParent = {
  document: `query ($name: String!) { parentSession(name: $name) ${selectionOf(parent)} }`,
  as: z.object({ parentSession: parent.nullable() }),
};

const commit = described("Commit", {
  id: z.string(),
  subject: z.string(),
  authorName: z.string(),
  committedAt: dateTime,
});
const readCommits = {
  document: `query ($name: ID!) { workerSession(id: $name) { commits ${selectionOf(commit)} } }`,
  as: z.object({ workerSession: z.object({ commits: z.array(commit) }).nullable() }),
};

const wholeWorker = worker
  .extend({
    commits: z
      .array(commit)
      .nullable()
      .describe(
        "Commits that it added, oldest first; 1,000 at most. null before its end: its worktree tells of them until then.",
      ),
  })
  .meta({ id: "WholeWorkerSession" });

const getSession = defineRoute({
  method: "get",
  path: "/api/agents/sessions/{name}",
  operationId: "getSession",
  tag,
  summary: "Read a worker session or a parent session",
  description: "A worker has a status, a parent has workerCounts.",
  params: sessionParams,
  answers: { 200: { description: "The session.", body: z.union([wholeWorker, parent]) } },
  errors: ["WORKER_NOT_FOUND", "NOT_FOUND"],
  async run({ params: { name } }, call) {
    const { workerSession } = await ask(call, readWorker, { name });
    if (workerSession === null) {
      const { parentSession } = await ask(call, readParent, { name });
      if (parentSession === null) throw sessionNotFound(name);
      return reply(200, parentSession);
    }
    // Of one that has not ended only its runner could tell, which may be away.
    const hasEnded = workerSession.finishedAt !== null;
    const commits = hasEnded ? await ask(call, readCommits, { name }) : undefined;
    const body = {
      ...describeWorker(workerSession),
      commits: commits?.workerSession?.commits ?? null,
    };
    return reply(200, body);
  },
});

const list = {
  document: `query ($name: String!, $first: Int, $after: String) {
    parentSession(name: $name) {
      workerCounts ${selectionOf(counts)}
      workerSessions(first: $first, after: $after) ${selectionOf(connectionShape(workerShape))}
    }
  }`,
  as: z.object({
    parentSession: z
      .object({ workerCounts: counts, workerSessions: connectionShape(workerShape) })
      .nullable(),
  }),
};

const findWorker = {
  document: `query ($name: ID!) { workerSession(id: $name) { name } }`,
  as: z.object({ workerSession: z.object({ name: z.string() }).nullable() }),
};

/** By its name or its global id; undefined: no worker has it. */
export async function findWorkerName(call: Call, name: string): Promise<string | undefined> {
  const { workerSession } = await ask(call, findWorker, { name });
  return workerSession?.name;
}

const listWorkers = defineRoute({
  method: "get",
  path: "/api/agents/sessions/{name}/workers",
  operationId: "listWorkers",
  tag,
  summary: "List a session's workers",
  description: "Those that the parent, or the worker, dispatched itself, oldest first.",
  params: sessionParams,
  query: pageQuery,
  answers: {
    200: {
      description: "A page of them, and how many there are on all pages.",
      body: z.object({ workers: z.array(worker), counts, next }).meta({ id: "WorkerList" }),
    },
  },
  errors: ["WORKER_NOT_FOUND", "NOT_FOUND"],
  async run({ params: { name }, query }, call) {
    const workerName = await findWorkerName(call, name);
    const variables = { name: workerName ?? name, ...query };
    const { parentSession } = await ask(call, list, variables);
    if (parentSession !== null) {
      const { workerSessions, workerCounts } = parentSession;
      const workers = workerSessions.nodes.map(describeWorker);
      return reply(200, { workers, counts: workerCounts, ...nextOf(workerSessions) });
    }
    if (workerName === undefined) throw sessionNotFound(name);
    // A worker is no parent before its first dispatch.
    return reply(200, { workers: [], counts: noWorkers });
  },
});

const cancel = {
  document: `mutation ($input: CancelWorkerInput!) {
    cancelWorker(input: $input) { worker ${selectionOf(workerShape)} }
  }`,
  as: z.object({ cancelWorker: z.object({ worker: workerShape }) }),
};

const cancelWorker = defineRoute({
  method: "post",
  path: "/api/agents/sessions/{name}/cancel",
  operationId: "cancelWorker",
  tag,
  summary: "Cancel a worker",
  description:
    "Answers at once: its end is told by its events. Cancelling an ended session changes nothing.",
  params: sessionParams,
  body: z.strictObject({
    reason: z.string().optional().describe("Shown to those who watch it."),
    children: z
      .boolean()
      .optional()
      .describe("Also the workers that it dispatched, and those that they dispatched."),
  }),
  example: { reason: "not needed any more" },
  answers: { 200: { description: "The worker.", body: worker } },
  errors: ["WORKER_NOT_FOUND"],
  async run({ params: { name }, body: { reason, children } }, call) {
    const { cancelWorker: cancelled } = await ask(call, cancel, {
      input: { id: name, reason, children },
    });
    return reply(200, describeWorker(cancelled.worker));
  },
});

const allow = {
  document: `mutation ($input: AllowHostInput!) {
    allowHost(input: $input) { worker ${selectionOf(workerShape)} }
  }`,
  as: z.object({ allowHost: z.object({ worker: workerShape }) }),
};

const allowHost = defineRoute({
  method: "post",
  path: "/api/agents/sessions/{name}/allow-host",
  operationId: "allowHost",
  tag,
  summary: "Allow a worker a host",
  description:
    "Lets a worker in a sandbox reach a host, at once while it runs. The operator's token alone.",
  params: sessionParams,
  body: z.strictObject({
    host: z
      .string()
      .describe(
        "Such as example.com, *.example.com or git.example.com:8443; without a port: 80 and 443.",
      ),
    forRepository: z
      .boolean()
      .optional()
      .describe("Also for the workers of its repository that start from now on."),
  }),
  example: { host: "example.com" },
  answers: { 200: { description: "The worker.", body: worker } },
  errors: ["WORKER_NOT_FOUND", "WORKER_NOT_RUNNING", "REPOSITORY_NOT_FOUND"],
  async run({ params: { name }, body: { host, forRepository } }, call) {
    const { allowHost: allowed } = await ask(call, allow, {
      input: { id: name, host, forRepository },
    });
    return reply(200, describeWorker(allowed.worker));
  },
});

export const sessionRoutes = [dispatchWorker, getSession, listWorkers, cancelWorker, allowHost];
