// What ends a session's work early: what it may cost, and how often its agent may ask the model.
import type { AgentVerdict, TalkState } from "../../agents/talk.ts";
import type { PrismaClient } from "../../database/client.ts";
import type { WorkerSession } from "../../generated/prisma/client.ts";

type Limited = Pick<WorkerSession, "maxCostUsd" | "maxTurns" | "parentSessionId">;

/** The limit that is reached, as what became of the work; undefined: none is. */
export async function findLimit(
  _prisma: PrismaClient,
  { maxCostUsd, maxTurns }: Limited,
  { usage, turns, phase }: TalkState,
): Promise<AgentVerdict | undefined> {
  // A turn that has ended is over, whatever it took.
  if (phase === "idle" || phase === "ended") return undefined;
  const costUsd = usage?.costUsd ?? 0;
  if (maxCostUsd !== null && costUsd >= maxCostUsd) {
    return reached(`maxCostUsd: ${costUsd.toFixed(4)} of ${maxCostUsd.toFixed(4)} US dollars used`);
  }
  if (maxTurns !== null && turns > maxTurns) {
    return reached(`maxTurns: the model was asked ${String(turns)} times, and ${String(maxTurns)} were allowed`);
  }
  return undefined;
}

function reached(what: string): AgentVerdict {
  return { succeeded: false, reason: `reached ${what}`, failureCode: "LIMIT_EXCEEDED" };
}
