import { builder } from "../../graphql/builder.ts";

const AgentRef = builder
  .objectRef<{ name: string; available: boolean; unavailableReason: string | null }>("Agent")
  .implement({
    description: "A program that can work on a task.",
    fields: (t) => ({
      name: t.exposeString("name", { description: "What dispatchWorker takes as agent." }),
      available: t.exposeBoolean("available", {
        description: "Whether it can start on any runner that is alive.",
      }),
      unavailableReason: t.exposeString("unavailableReason", {
        nullable: true,
        description: "What to install, and where it was looked for.",
      }),
    }),
  });

builder.queryField("agents", (t) =>
  t.field({
    type: [AgentRef],
    description:
      "The agents that dispatchWorker accepts, and whether each can start on any live runner.",
    resolve: (_root, _args, { agents }) => agents.list(),
  }),
);
