import {
  assertSeesParent,
  assertSeesRepository,
  assertSeesWorker,
  forbidden,
  visibleWorktrees,
} from "../access/viewer.ts";
import { FactoryError } from "../errors.ts";
import { builder } from "./builder.ts";
import type { Context } from "./context.ts";

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What a global id names, where the viewer may see it. */
const finders: Readonly<Record<string, (id: string, context: Context) => Promise<object | null>>> =
  {
    async Repository(id, { prisma, viewer }) {
      const found = await prisma.repository.findUnique({ where: { id } });
      if (found !== null) assertSeesRepository(viewer, found);
      return found;
    },
    async Worktree(id, { prisma, viewer }) {
      const found = await prisma.worktree.findUnique({ where: { id } });
      if (found === null || viewer.kind === "operator") return found;
      const seen = await prisma.worktree.findFirst({ where: { id, ...visibleWorktrees(viewer) } });
      if (seen === null)
        throw forbidden("a worker's token reads its own and its children's worktrees alone");
      return seen;
    },
    async WorkerSession(id, { prisma, viewer }) {
      const found = await prisma.workerSession.findUnique({ where: { id } });
      if (found !== null) assertSeesWorker(viewer, found);
      return found;
    },
    async ParentSession(id, { prisma, viewer }) {
      const found = await prisma.parentSession.findUnique({
        where: { id },
        include: { worker: true },
      });
      if (found !== null) assertSeesParent(viewer, found, found.worker);
      return found;
    },
  };

builder.queryField("node", (t) =>
  t.field({
    type: builder.nodeInterfaceRef(),
    nullable: true,
    description: "Whatever has this global id; null where nothing has. Errors: BAD_INPUT.",
    args: {
      id: t.arg.id({
        required: true,
        description: "A global id, as any type's id field gives it.",
      }),
    },
    async resolve(_root, { id }, context) {
      const [kind = "", rowId = ""] = Buffer.from(id, "base64").toString("utf8").split(":");
      const find = finders[kind];
      if (find === undefined || !uuid.test(rowId)) {
        throw new FactoryError(
          "BAD_INPUT",
          "id is no global id: take it from an id field as it is",
        );
      }
      const found = await find(rowId, context);
      return found === null ? null : { ...found, __typename: kind };
    },
  }),
);
