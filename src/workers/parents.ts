// What is done for parents: telling those that can't subscribe, and keeping to what they may spend.
import type { Pool, PrismaClient } from "../database/client.ts";
import { FactoryError } from "../errors.ts";
import type { EventLog } from "../events/follow.ts";
import type { StoredEvent } from "../events/read.ts";
import { largestInt } from "../largest-int.ts";
import { parentStreamKey, type WorkerUsagePayload } from "./events.ts";
import { checkParentName } from "./input.ts";
import { checkMaxCost, wakeSpenders } from "./parent-budget.ts";
import { requireParent } from "./parent.ts";
import { checkWebhook } from "./webhooks/check.ts";
import { removeWebhook, saveWebhook, type WebhookStore } from "./webhooks/set.ts";

const wait = { defaultSeconds: 30, mostSeconds: 300 } as const;

export interface WaitInput {
  readonly parentSession: string;
  readonly after: number;
  readonly timeoutSeconds?: number | undefined;
}

export interface ParentService {
  /**
   * The changes after that sequence, 200 at most, as soon as there are some; none when the time is over, the
   * caller gone, or the server about to stop.
   * @throws FactoryError BAD_INPUT, CURSOR_AHEAD, EVENTS_EXPIRED, LIMIT_EXCEEDED
   */
  waitForChanges(input: WaitInput, signal: AbortSignal): Promise<readonly StoredEvent[]>;
  /** For each parent's id, the sum over its workers; null where none of them told any. */
  usageByParent(ids: readonly string[]): Promise<(WorkerUsagePayload | null)[]>;
  /** @returns the parent's id @throws FactoryError BAD_INPUT, WORKER_NOT_FOUND, NOT_FOUND */
  setWebhook(
    parentSession: string,
    webhook: { readonly url: string | undefined; readonly secret: string | undefined },
  ): Promise<string>;
  /** @returns the parent's id @throws FactoryError BAD_INPUT, WORKER_NOT_FOUND */
  setBudget(parentSession: string, maxCostUsd: number | undefined): Promise<string>;
}

export interface ParentServiceDependencies extends WebhookStore {
  readonly prisma: PrismaClient;
  readonly pool: Pool;
  readonly events: EventLog;
}

export function createParentService(deps: ParentServiceDependencies): ParentService {
  const { prisma, pool, events } = deps;
  return {
    waitForChanges({ parentSession, after, timeoutSeconds = wait.defaultSeconds }, signal) {
      checkParentName(parentSession);
      if (timeoutSeconds < 1 || timeoutSeconds > wait.mostSeconds) {
        throw new FactoryError(
          "BAD_INPUT",
          `timeoutSeconds is ${String(timeoutSeconds)}: it may be from 1 to ${String(wait.mostSeconds)}`,
        );
      }
      const timeoutMs = timeoutSeconds * 1000;
      return events.wait(parentStreamKey(parentSession), { after, timeoutMs, signal });
    },
    async usageByParent(ids) {
      const { rows } = await pool.query<WorkerUsagePayload & { parent: string }>(
        `SELECT "parentSessionId" AS parent, sum("inputTokens")::float8 AS "inputTokens",
           sum("outputTokens")::float8 AS "outputTokens", sum("costUsd") AS "costUsd"
         FROM "WorkerSession"
         WHERE "parentSessionId" = ANY($1::uuid[]) AND "inputTokens" IS NOT NULL
           AND "outputTokens" IS NOT NULL
         GROUP BY 1`,
        [ids],
      );
      const sums = new Map(rows.map(({ parent, ...usage }) => [parent, usage]));
      return ids.map((id) => {
        const usage = sums.get(id);
        if (usage === undefined) return null;
        const { inputTokens, outputTokens, costUsd } = usage;
        return {
          // A sum of cached tokens may be larger.
          inputTokens: Math.min(inputTokens, largestInt),
          outputTokens: Math.min(outputTokens, largestInt),
          costUsd,
        };
      });
    },
    async setWebhook(parentSession, { url, secret }) {
      checkParentName(parentSession);
      if (url === undefined) {
        return prisma.$transaction((transaction) =>
          removeWebhook(deps, transaction, parentSession),
        );
      }
      checkWebhook(url, secret);
      return prisma.$transaction((transaction) =>
        saveWebhook(deps, transaction, parentSession, { url, secret }),
      );
    },
    async setBudget(parentSession, maxCostUsd) {
      checkParentName(parentSession);
      if (maxCostUsd !== undefined) checkMaxCost(maxCostUsd);
      return prisma.$transaction(async (transaction) => {
        const { id } = await requireParent(transaction, parentSession);
        await transaction.parentSession.update({
          where: { id },
          data: { maxCostUsd: maxCostUsd ?? null },
        });
        // It may be used up as it is.
        if (maxCostUsd !== undefined) await wakeSpenders(transaction, id);
        return id;
      });
    },
  };
}
