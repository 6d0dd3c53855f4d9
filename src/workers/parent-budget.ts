// What a parent's workers may cost. The workers of its workers count too: else a worker that dispatches
// would be a way around the limit.
import type { Database } from "../database/client.ts";
import { FactoryError } from "../errors.ts";
import { appendEvents } from "../events/append.ts";
import { workerTopic } from "./events.ts";

const mostUsd = 1_000_000;

export interface ParentBudget {
  /** Of the parent that has the limit. */
  readonly parentSessionId: string;
  readonly name: string;
  readonly maxCostUsd: number;
  /** Of its workers and theirs, as far as their agents tell it. */
  readonly costUsd: number;
  readonly isUsedUp: boolean;
}

/** The parent's own limit; undefined: it has none. */
export async function readParentBudget(
  database: Database,
  parentSessionId: string,
): Promise<ParentBudget | undefined> {
  const parent = await database.parentSession.findUnique({
    where: { id: parentSessionId },
    select: { name: true, maxCostUsd: true },
  });
  if (parent?.maxCostUsd == null) return undefined;
  const { name, maxCostUsd } = parent;
  const costUsd = await sumCost(database, parentSessionId);
  return { parentSessionId, name, maxCostUsd, costUsd, isUsedUp: costUsd >= maxCostUsd };
}

/** A session, or the place where one is to be dispatched. */
export interface Spender {
  readonly parentSessionId: string;
  /** The workers above it. */
  readonly ancestorIds: readonly string[];
}

/**
 * The limit that a session has reached: its parent's, or that of a parent further up. undefined: none has
 * a limit, or all have something left.
 */
export async function findUsedUpBudget(
  database: Database,
  { parentSessionId, ancestorIds }: Spender,
): Promise<ParentBudget | undefined> {
  const limited = await database.parentSession.findMany({
    where: {
      maxCostUsd: { not: null },
      OR: [
        { id: parentSessionId },
        { workerSessions: { some: { id: { in: [...ancestorIds] } } } },
      ].slice(0, ancestorIds.length === 0 ? 1 : 2),
    },
    select: { id: true },
  });
  for (const { id } of limited) {
    const budget = await readParentBudget(database, id);
    if (budget?.isUsedUp === true) return budget;
  }
  return undefined;
}

/** For who is told of it. */
export function describeUsedUp({ name, maxCostUsd, costUsd }: ParentBudget): string {
  return `the workers of ${name} have cost $${figure(costUsd)} of the $${figure(maxCostUsd)} that they may cost`;
}

/** @throws FactoryError LIMIT_EXCEEDED, with both figures */
export async function assertBudgetLeft(transaction: Database, spender: Spender): Promise<void> {
  const budget = await findUsedUpBudget(transaction, spender);
  if (budget === undefined) return;
  const { maxCostUsd, costUsd } = budget;
  throw new FactoryError(
    "LIMIT_EXCEEDED",
    `${describeUsedUp(budget)}: raise its maxCostUsd with setParentBudget`,
    { facts: { maxCostUsd, costUsd } },
  );
}

/** Has the workers that spend of it at the moment look at it; the last statement of its transaction. */
export async function wakeSpenders(
  transaction: Database,
  parentSessionId: string,
  spenderId?: string,
): Promise<void> {
  const rows = await transaction.$queryRaw<{ id: string }[]>`
    SELECT id FROM "WorkerSession"
    WHERE status IN ('RUNNING', 'WAITING') AND (
      "parentSessionId" = ${parentSessionId}::uuid OR
      "ancestorIds" && ARRAY(
        SELECT id FROM "WorkerSession" WHERE "parentSessionId" = ${parentSessionId}::uuid
      )
    )`;
  const others = rows.filter(({ id }) => id !== spenderId);
  const topics = others.map(({ id }) => workerTopic(id));
  await appendEvents(transaction, [], topics);
}

/** @throws FactoryError BAD_INPUT */
export function checkMaxCost(maxCostUsd: number): void {
  if (maxCostUsd > 0 && maxCostUsd <= mostUsd) return;
  throw new FactoryError(
    "BAD_INPUT",
    `maxCostUsd is ${String(maxCostUsd)}: it may be more than 0, and ${String(mostUsd)} at most; null for no limit`,
  );
}

async function sumCost(database: Database, parentSessionId: string): Promise<number> {
  const [sum] = await database.$queryRaw<{ cost: number }[]>`
    WITH own AS (
      SELECT id, "costUsd" FROM "WorkerSession" WHERE "parentSessionId" = ${parentSessionId}::uuid
    )
    SELECT coalesce(sum(cost), 0)::float8 AS cost FROM (
      SELECT "costUsd" AS cost FROM own
      UNION ALL
      SELECT "costUsd" FROM "WorkerSession" WHERE "ancestorIds" && ARRAY(SELECT id FROM own)
    ) AS costs`;
  return sum?.cost ?? 0;
}

/** Sums of binary fractions have digits that nobody spent. */
function figure(usd: number): string {
  return String(Number(usd.toFixed(4)));
}
