// What ends a session's work early: what it may cost, and how often its agent may ask the model.
import type { AgentVerdict, TalkState } from "../../agents/talk.ts";
import type { PrismaClient } from "../../database/client.ts";
import { insist, type InsistOptions } from "../../database/insist.ts";
import type { WorkerSession } from "../../generated/prisma/client.ts";
import {
  describeUsedUp,
  findUsedUpBudget,
  wakeSpenders,
  type ParentBudget,
} from "../parent-budget.ts";

export interface Limits {
  /**
   * The limit that is reached, as what became of the work; undefined: none is. Where it is a parent's, those
   * who spend of it too are woken.
   */
  findReached(state: TalkState): Promise<AgentVerdict | undefined>;
  /** The same, whoever spent what it takes: for one that was woken. */
  findReachedByOthers(): Promise<AgentVerdict | undefined>;
}

export function createLimits(
  prisma: PrismaClient,
  session: WorkerSession,
  patience: InsistOptions,
): Limits {
  /** For which cost the parents' limits were looked at last. */
  let checkedCostUsd: number | null = null;

  /** A parent's limit that is used up. */
  function findUsedUp(
    onFound?: (budget: ParentBudget) => Promise<void>,
  ): Promise<AgentVerdict | undefined> {
    return insist(async () => {
      const budget = await findUsedUpBudget(prisma, session);
      if (budget === undefined) return undefined;
      await onFound?.(budget);
      return reached(`a limit: ${describeUsedUp(budget)}`);
    }, patience);
  }

  return {
    async findReached(state) {
      const own = findLimit(session, state);
      const costUsd = state.usage?.costUsd ?? null;
      if (own !== undefined || costUsd === null || costUsd === checkedCostUsd) return own;
      checkedCostUsd = costUsd;
      return findUsedUp(({ parentSessionId }) =>
        prisma.$transaction((transaction) =>
          wakeSpenders(transaction, parentSessionId, session.id),
        ),
      );
    },
    findReachedByOthers: () => findUsedUp(),
  };
}

type Limited = Pick<WorkerSession, "maxCostUsd" | "maxTurns" | "lostCostUsd">;

/** The session's own limit that is reached, as what became of the work; undefined: none is. */
export function findLimit(
  { maxCostUsd, maxTurns, lostCostUsd }: Limited,
  { usage, turns }: TalkState,
): AgentVerdict | undefined {
  const costUsd = lostCostUsd + (usage?.costUsd ?? 0);
  if (maxCostUsd !== null && costUsd >= maxCostUsd) {
    return reached(`maxCostUsd: ${costUsd.toFixed(4)} of ${maxCostUsd.toFixed(4)} US dollars used`);
  }
  if (maxTurns !== null && turns > maxTurns) {
    return reached(
      `maxTurns: the model was asked ${String(turns)} times, and ${String(maxTurns)} were allowed`,
    );
  }
  return undefined;
}

function reached(what: string): AgentVerdict {
  return { succeeded: false, reason: `reached ${what}`, failureCode: "LIMIT_EXCEEDED" };
}
