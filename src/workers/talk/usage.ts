// What a session has used, over all of its attempts: an agent tells of its own alone.
import type { AgentUsage } from "../../agents/talk.ts";
import type { WorkerSession } from "../../generated/prisma/client.ts";

/** As large as GraphQL's Int and the columns are. */
const mostTokens = 2_147_483_647;

export type UsedBefore = Pick<
  WorkerSession,
  "lostInputTokens" | "lostOutputTokens" | "lostCostUsd"
>;

/** This attempt's usage, with that of the attempts that were lost before it. */
export function addLost(lost: UsedBefore, usage: AgentUsage): AgentUsage {
  return {
    inputTokens: Math.min(mostTokens, lost.lostInputTokens + usage.inputTokens),
    outputTokens: Math.min(mostTokens, lost.lostOutputTokens + usage.outputTokens),
    costUsd: usage.costUsd === null ? null : lost.lostCostUsd + usage.costUsd,
  };
}
