// What a session has used, over all of its attempts: an agent tells of its own alone.
import type { AgentUsage } from "../../agents/talk.ts";
import type { WorkerSession } from "../../generated/prisma/client.ts";
import { largestInt } from "../../largest-int.ts";

/** More is nonsense, of which sums could not be made. */
const mostUsd = 1_000_000_000;

export type UsedBefore = Pick<
  WorkerSession,
  "lostInputTokens" | "lostOutputTokens" | "lostCostUsd"
>;

/** This attempt's usage as it can be stored, with that of the attempts that were lost before it. */
export function addLost(lost: UsedBefore, usage: AgentUsage): AgentUsage {
  return {
    inputTokens: Math.min(largestInt, lost.lostInputTokens + usage.inputTokens),
    outputTokens: Math.min(largestInt, lost.lostOutputTokens + usage.outputTokens),
    // What was told once is not forgotten where this attempt has told nothing yet.
    costUsd:
      usage.costUsd === null && lost.lostCostUsd === 0
        ? null
        : Math.min(mostUsd, lost.lostCostUsd + (usage.costUsd ?? 0)),
  };
}
