import { capabilitiesOfSession } from "../../agents/capabilities.ts";
import type { AgentCapability, AgentListing } from "../../agents/definition.ts";
import { builder } from "../../graphql/builder.ts";
import { AgentCapabilityRef } from "./enums.ts";
import { WorkerSessionRef } from "./worker-session.ts";

const unknown = "null: no live runner knows the agent, or its version doesn't say.";

const AgentRef = builder.objectRef<AgentListing>("Agent").implement({
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
    capabilities: t.field({
      type: [AgentCapabilityRef],
      nullable: true,
      description: `What can be done with it, as it is started; where it isn't available, what could be with the best way to start it. ${unknown}`,
      resolve: ({ capabilities }) => listed(capabilities),
    }),
  }),
});

builder.prismaObjectField(WorkerSessionRef, "capabilities", (t) =>
  t.field({
    type: [AgentCapabilityRef],
    nullable: true,
    description: `What can be done with its agent: as this session started it, else as it would be started now. ${unknown}`,
    select: { protocol: true },
    resolve: async ({ agent, protocol }, _args, { loaders }) =>
      listed(capabilitiesOfSession({ protocol }, (await loaders.agent.load(agent)) ?? undefined)),
  }),
);

function listed(capabilities: readonly AgentCapability[] | null): AgentCapability[] | null {
  return capabilities === null ? null : [...capabilities];
}

builder.queryField("agents", (t) =>
  t.field({
    type: [AgentRef],
    description:
      "The agents that dispatchWorker accepts, and whether each can start on any live runner.",
    resolve: (_root, _args, { agents }) => agents.list(),
  }),
);
