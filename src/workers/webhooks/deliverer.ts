// Sees to it that what parents have not got yet is delivered. Nothing of it is in the transactions that make
// the changes: a notice wakes it, and what a notice was lost for is found by looking.
import { setTimeout as delay } from "node:timers/promises";
import type { Notices } from "../../events/notices.ts";
import { createWake } from "../../wake.ts";
import { parentStreamKey, webhooksTopic } from "../events.ts";
import { deliverChanges, type DeliveryDependencies } from "./deliver.ts";
import { findBehind, release, takeLease, type WebhookLease } from "./lease.ts";

/** Each is one request under way: an endpoint that hangs takes one of them for 10 s, then waits its turn. */
const mostAtOnce = 50;
/** For what no notice told of: those that were lost, and retries that another server has put off. */
const lookEveryMs = 5_000;
/** The queue's clock is the database's: a look that comes too early finds nothing. */
const retryMarginMs = 50;
/** Many changes at once are one look. */
const pauseMs = 20;
/** A delivery under way at the stop may still succeed; it is repeated if not. */
const stopGraceMs = 2_000;

export interface DelivererDependencies extends DeliveryDependencies {
  readonly notices: Notices;
}

export interface Deliverer {
  stop(): Promise<void>;
}

/** Any number of servers may do so at once: each webhook is one's at a time. */
export function startDeliverer(deps: DelivererDependencies): Deliverer {
  const { prisma, queue, logger } = deps;
  const stopping = new AbortController();
  const cutting = new AbortController();
  const wake = createWake();
  const runs = new Set<Promise<void>>();
  let retryAt = Infinity;

  const parentTopic = `stream:${parentStreamKey("")}`;
  const unwatch = deps.notices.watch("*", (notice) => {
    const concerns =
      notice === undefined ||
      notice.topic.startsWith(parentTopic) ||
      notice.topic === webhooksTopic;
    if (concerns) wake.notify();
  });

  async function run(lease: WebhookLease): Promise<void> {
    const signals = { stopping: stopping.signal, cutting: cutting.signal };
    try {
      const seconds = await deliverChanges(deps, lease, signals);
      if (seconds === undefined) return;
      retryAt = Math.min(retryAt, performance.now() + seconds * 1000 + retryMarginMs);
    } catch (error) {
      // Not lost: it is found again when its lease has run out.
      if (!cutting.signal.aborted) logger.warn({ err: error }, "a webhook could not be served");
      else await release(prisma, lease).catch(() => undefined);
    }
  }

  async function look(): Promise<void> {
    await queue.webhooks.wake(await findBehind(prisma));
    const free = mostAtOnce - runs.size;
    if (free <= 0) return;
    const leases = await prisma.$transaction(async (transaction) => {
      const taken: WebhookLease[] = [];
      for (const id of await queue.webhooks.take(transaction, free)) {
        const lease = await takeLease(transaction, id);
        if (lease !== undefined) taken.push(lease);
      }
      return taken;
    });
    for (const lease of leases) {
      const running = run(lease).finally(() => {
        runs.delete(running);
        // There may be more by now, and there is room for another.
        wake.notify();
      });
      runs.add(running);
    }
  }

  async function keepLooking(): Promise<void> {
    const { signal } = stopping;
    while (!signal.aborted) {
      if (performance.now() >= retryAt) retryAt = Infinity;
      try {
        await look();
      } catch (error) {
        logger.warn({ err: error }, "webhooks could not be looked at");
      }
      await delay(pauseMs);
      const untilRetry = Math.max(retryAt - performance.now(), 0);
      await wake.wait(Math.min(lookEveryMs, untilRetry), signal);
    }
  }

  const looking = keepLooking();
  return {
    async stop() {
      unwatch();
      stopping.abort();
      const timer = setTimeout(() => {
        cutting.abort();
      }, stopGraceMs);
      await looking;
      await Promise.all(runs);
      clearTimeout(timer);
    },
  };
}
