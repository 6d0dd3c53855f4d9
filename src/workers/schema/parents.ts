import {
  assertOperator,
  assertSeesParent,
  visibleParents,
  type Viewer,
} from "../../access/viewer.ts";
import type { ParentSession, ParentWebhook, WorkerSession } from "../../generated/prisma/client.ts";
import { builder } from "../../graphql/builder.ts";
import { UsageRef } from "./worker-session.ts";
import { WorkerStatusRef } from "./enums.ts";
import { listedWorkers, WorkerSessionConnectionRef } from "./lists.ts";
import type { WorkerCounts } from "../service.ts";

const statuses = [
  ["queued", "QUEUED"],
  ["preparing", "PREPARING"],
  ["running", "RUNNING"],
  ["waiting", "WAITING"],
  ["succeeded", "SUCCEEDED"],
  ["failed", "FAILED"],
  ["cancelled", "CANCELLED"],
  ["timedOut", "TIMED_OUT"],
  ["lost", "LOST"],
] as const;

const WorkerCountsRef = builder.objectRef<WorkerCounts>("WorkerCounts").implement({
  description: "How many workers a parent session has.",
  fields: (t) => ({
    total: t.exposeInt("total", { description: "In any status." }),
    ...Object.fromEntries(
      statuses.map(([field, status]) => [
        field,
        t.int({
          description: `In the status ${status}.`,
          resolve: ({ byStatus }) => byStatus[status] ?? 0,
        }),
      ]),
    ),
  }),
});

const ParentWebhookRef = builder.objectRef<ParentWebhook>("ParentWebhook").implement({
  description: "Where a parent's changes are POSTed, and how far that has come.",
  fields: (t) => ({
    url: t.exposeString("url", { description: "As set." }),
    isSigned: t.boolean({
      description: "Whether a secret is set, which signs each delivery.",
      resolve: ({ secret }) => secret !== null,
    }),
    deliveredSequence: t.exposeInt("deliveredSequence", {
      description: "All changes up to this one are delivered.",
    }),
    failingSince: t.expose("failingSince", {
      type: "DateTime",
      nullable: true,
      description: "Since when every delivery has failed; null where the last one succeeded.",
    }),
    error: t.exposeString("error", {
      nullable: true,
      description: "What the last delivery met, where it failed.",
    }),
    endedAt: t.expose("endedAt", {
      type: "DateTime",
      nullable: true,
      description:
        "When it was given up, after 72 hours of failures or an answer 410: set it again to go on from deliveredSequence.",
    }),
  }),
});

type Guarded = ParentSession & { worker: Pick<WorkerSession, "id" | "ancestorIds"> | null };

/** Of a parent above its own session a worker may read the name alone. */
function guard(viewer: Viewer, parent: Guarded): void {
  assertSeesParent(viewer, parent, parent.worker);
}

const selectGuard = { worker: { select: { id: true, ancestorIds: true } } } as const;

export const ParentSessionRef = builder.prismaNode("ParentSession", {
  description:
    "Who asks for workers and hears of them: a person, a program, or a worker. It exists from its first dispatch on, or since a webhook or a budget was set for it before.",
  id: { field: "id", description: "The global id, for node(id:)." },
  include: selectGuard,
  fields: (t) => ({
    name: t.exposeString("name", {
      description: "As chosen by the parent; worker-N where it is a worker.",
    }),
    createdAt: t.field({
      type: "DateTime",
      description: "When it first dispatched, or something was set for it.",
      resolve(parent, _args, { viewer }) {
        guard(viewer, parent);
        return parent.createdAt;
      },
    }),
    lastSequence: t.int({
      description: "Where a new subscriber of workerStatusChanged starts from.",
      select: { stream: { select: { lastSequence: true } } },
      resolve(parent, _args, { viewer }) {
        guard(viewer, parent);
        return parent.stream.lastSequence;
      },
    }),
    workerCounts: t.field({
      type: WorkerCountsRef,
      description: "How many workers it has, by status.",
      resolve(parent, _args, { viewer, loaders }) {
        guard(viewer, parent);
        return loaders.workerCounts.load(parent.id);
      },
    }),
    usage: t.field({
      type: UsageRef,
      nullable: true,
      description:
        "The sum of its workers'; null where none of them tells any. 2,147,483,647 tokens stand for as many or more.",
      resolve(parent, _args, { viewer, loaders }) {
        guard(viewer, parent);
        return loaders.parentUsage.load(parent.id);
      },
    }),
    maxCostUsd: t.float({
      nullable: true,
      description:
        "What its workers, and theirs, may cost in US dollars; null: no limit. See setParentBudget.",
      resolve(parent, _args, { viewer }) {
        guard(viewer, parent);
        return parent.maxCostUsd;
      },
    }),
    webhook: t.field({
      type: ParentWebhookRef,
      nullable: true,
      description:
        "Where its changes are POSTed; null where no webhook is set. Its url may hold a token: operator only. Errors: FORBIDDEN.",
      select: { webhook: true },
      resolve({ webhook }, _args, { viewer }) {
        assertOperator(viewer);
        return webhook;
      },
    }),
    workerSessions: t.relatedConnection(
      "workerSessions",
      {
        cursor: "number",
        totalCount: true,
        description: "Its workers, oldest first.",
        args: {
          status: t.arg({
            type: [WorkerStatusRef],
            description: "Those with one of these statuses alone.",
          }),
        },
        query: ({ status }, { viewer }) => ({
          where: listedWorkers(status, viewer),
          orderBy: { number: "asc" },
        }),
      },
      WorkerSessionConnectionRef,
    ),
  }),
});

const ParentSessionConnectionRef = builder.connectionObject(
  {
    type: ParentSessionRef,
    name: "ParentSessionConnection",
    description: "A page of parent sessions, oldest first.",
  },
  { name: "ParentSessionEdge", description: "A parent session and its place in the list." },
);

builder.queryFields((t) => ({
  parentSession: t.prismaField({
    type: ParentSessionRef,
    nullable: true,
    description:
      "A parent exists from its first dispatch on, or since a webhook or a budget was set for it before; null until then.",
    args: { name: t.arg.string({ required: true, description: "As chosen by the parent." }) },
    async resolve(query, _root, { name }, { prisma, workers, viewer }) {
      const found = await workers.findParent(name);
      if (found === null) return null;
      assertSeesParent(viewer, found, found.worker);
      return prisma.parentSession.findUnique({ ...query, where: { name } });
    },
  }),
  parentSessions: t.prismaConnection(
    {
      type: ParentSessionRef,
      cursor: "id",
      description: "All parent sessions, oldest first.",
      totalCount: (_connection, _args, { prisma, viewer }) =>
        prisma.parentSession.count({ where: visibleParents(viewer) }),
      resolve: (query, _root, _args, { prisma, viewer }) =>
        prisma.parentSession.findMany({
          ...query,
          where: visibleParents(viewer),
          orderBy: { id: "asc" },
        }),
    },
    ParentSessionConnectionRef,
  ),
}));
