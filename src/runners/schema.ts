import { assertOperator } from "../access/viewer.ts";
import { builder } from "../graphql/builder.ts";
import { listRunners, type ListedRunner } from "./list.ts";

const RunnerRef = builder.objectRef<ListedRunner>("Runner").implement({
  description: "A server process that runs workers, and holds clones and worktrees on its disk.",
  fields: (t) => ({
    name: t.exposeString("name", {
      description:
        "Unique: the host's name, with a part of an id behind it for a second one there.",
    }),
    host: t.exposeString("host", { description: "The host's name." }),
    version: t.exposeString("version", { description: "Factory's version there." }),
    capacity: t.exposeInt("capacity", {
      description:
        "Slots: sessions that it runs at once. As many again may wait for a permission, which takes no slot.",
    }),
    running: t.exposeInt("running", {
      description:
        "Sessions that take a slot of it: PREPARING and RUNNING. More than `capacity` for a while where several that waited for a permission go on at once.",
    }),
    hasSandbox: t.exposeBoolean("hasSandbox", {
      nullable: true,
      description:
        "Whether it starts workers in a sandbox where a dispatch doesn't say, by its FACTORY_SANDBOX; null: a runner of an older version doesn't tell.",
    }),
    noSandboxReason: t.exposeString("noSandboxReason", {
      nullable: true,
      description:
        "Why it can't start workers in a sandbox, and what to do about it; null: it can.",
    }),
    waitReason: t.exposeString("waitReason", {
      nullable: true,
      description:
        "Why it starts nothing at the moment, though it may have slots: its machine has less memory left than FACTORY_MEMORY_FLOOR; null: it does.",
    }),
    lastSeenAt: t.expose("lastSeenAt", {
      type: "DateTime",
      description: "When it last renewed its lease.",
    }),
    alive: t.exposeBoolean("alive", {
      description:
        "Whether its lease stands. One whose lease has ended takes no sessions, and those that it ran are taken for lost.",
    }),
  }),
});

builder.queryField("runners", (t) =>
  t.field({
    type: [RunnerRef],
    description: "The processes that run workers, by name. Operator only. Errors: FORBIDDEN.",
    resolve(_root, _args, { viewer, prisma }) {
      assertOperator(viewer);
      return listRunners(prisma);
    },
  }),
);
