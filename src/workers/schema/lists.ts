// Where worker sessions are found: by name, in lists, and beside what they belong to.
import { assertSeesWorker, visibleWorkers, type Viewer } from "../../access/viewer.ts";
import type { PrismaClient } from "../../database/client.ts";
import type { Prisma } from "../../generated/prisma/client.ts";
import type { WorkerStatus } from "../../generated/prisma/enums.ts";
import { builder } from "../../graphql/builder.ts";
import { RepositoryRef } from "../../repositories/schema.ts";
import { WorktreeRef } from "../../worktrees/schema.ts";
import { WorkerStatusRef } from "./enums.ts";
import { WorkerSessionRef } from "./worker-session.ts";
import { parentsWithin } from "../family.ts";
import type { WorkerService } from "../service.ts";
import { activeStatuses } from "../states.ts";

export const WorkerSessionConnectionRef = builder.connectionObject(
  {
    type: WorkerSessionRef,
    name: "WorkerSessionConnection",
    description: "A page of worker sessions, oldest first.",
  },
  { name: "WorkerSessionEdge", description: "A worker session and its place in the list." },
);

builder.prismaObjectField(WorkerSessionRef, "children", (t) =>
  t.relatedConnection(
    "children",
    {
      cursor: "number",
      totalCount: true,
      description: "The workers that it dispatched itself, oldest first.",
      query: { orderBy: { number: "asc" } },
    },
    WorkerSessionConnectionRef,
  ),
);

const statusArg = "Those with one of these statuses alone.";

export function listedWorkers(
  status: readonly WorkerStatus[] | null | undefined,
  viewer: Viewer,
): Prisma.WorkerSessionWhereInput {
  return {
    ...visibleWorkers(viewer),
    ...(status == null ? {} : { status: { in: [...new Set(status)] } }),
  };
}

const oldestFirst = { number: "asc" } as const;

builder.prismaObjectField(RepositoryRef, "workerSessions", (t) =>
  t.relatedConnection(
    "workerSessions",
    {
      cursor: "number",
      totalCount: true,
      description: "The sessions that worked in it, oldest first.",
      args: { status: t.arg({ type: [WorkerStatusRef], description: statusArg }) },
      query: ({ status }, { viewer }) => ({
        where: listedWorkers(status, viewer),
        orderBy: oldestFirst,
      }),
    },
    WorkerSessionConnectionRef,
  ),
);

builder.prismaObjectFields(WorktreeRef, (t) => ({
  activeWorker: t.field({
    type: WorkerSessionRef,
    nullable: true,
    description: "The session that occupies it now.",
    select: (_args, { viewer }, nested) => ({
      workerSessions: nested({
        where: { ...visibleWorkers(viewer), status: { in: [...activeStatuses] } },
        take: 1,
      }),
    }),
    resolve: ({ workerSessions }) => workerSessions[0] ?? null,
  }),
  workerSessions: t.relatedConnection(
    "workerSessions",
    {
      cursor: "number",
      totalCount: true,
      description: "The sessions that worked in it, oldest first.",
      query: (_args, { viewer }) => ({ where: visibleWorkers(viewer), orderBy: oldestFirst }),
    },
    WorkerSessionConnectionRef,
  ),
}));

builder.queryFields((t) => ({
  workerSession: t.prismaField({
    type: WorkerSessionRef,
    nullable: true,
    description: "One worker session.",
    args: {
      id: t.arg.id({ required: true, description: "Its global id, or its name (worker-17)." }),
    },
    async resolve(query, _root, { id }, { prisma, workers, viewer }) {
      const found = await workers.find(id);
      if (found === null) return null;
      assertSeesWorker(viewer, found);
      return prisma.workerSession.findUnique({ ...query, where: { id: found.id } });
    },
  }),
  workerSessions: t.prismaConnection(
    {
      type: WorkerSessionRef,
      cursor: "number",
      description: "All worker sessions, oldest first.",
      args: {
        parentSession: t.arg.string({ description: "Those of the parent with this name alone." }),
        descendants: t.arg.boolean({
          defaultValue: false,
          description:
            "With parentSession: also the workers of its workers, at any depth. Default: false.",
        }),
        status: t.arg({ type: [WorkerStatusRef], description: statusArg }),
      },
      totalCount: async (_connection, filter, context) =>
        context.prisma.workerSession.count({ where: await matching(filter, context) }),
      resolve: async (query, _root, filter, context) =>
        context.prisma.workerSession.findMany({
          ...query,
          where: await matching(filter, context),
          orderBy: oldestFirst,
        }),
    },
    WorkerSessionConnectionRef,
  ),
}));

interface Filter {
  readonly parentSession?: string | null | undefined;
  readonly descendants?: boolean | null | undefined;
  readonly status?: readonly WorkerStatus[] | null | undefined;
}

interface MatchContext {
  readonly viewer: Viewer;
  readonly workers: WorkerService;
  readonly prisma: PrismaClient;
}

async function matching(
  { parentSession, descendants, status }: Filter,
  { viewer, workers, prisma }: MatchContext,
): Promise<Prisma.WorkerSessionWhereInput> {
  const listed = listedWorkers(status, viewer);
  if (parentSession == null) return listed;
  // By its id: joined by its name, it would be looked for through all sessions in their order.
  const parent = await workers.findParent(parentSession);
  if (parent === null) return { ...listed, parentSessionId: { in: [] } };
  const ids = descendants === true ? await parentsWithin(prisma, parent.id) : [parent.id];
  return { ...listed, parentSessionId: { in: ids } };
}
