// Delivers what one parent's webhook has not got yet, one change after the other: the receiver hears them in
// their order, each at least once.
import type { PrismaClient } from "../../database/client.ts";
import type { EventReader } from "../../events/read.ts";
import type { Logger } from "../../log.ts";
import type { WorkQueue } from "../../queue/queue.ts";
import type { Sealer } from "../../seal.ts";
import { describeChanges } from "./body.ts";
import { advance, recordFailure, release, type WebhookLease } from "./lease.ts";
import { postDelivery, type Outcome } from "./post.ts";

/** A report may have 100,000 bytes. */
const readAtOnce = 20;
/** Then the others' turn comes, however much is left. */
const longestRunMs = 30_000;
const firstRetrySeconds = 1;
const longestRetrySeconds = 600;

export interface DeliveryDependencies {
  readonly prisma: PrismaClient;
  readonly queue: Pick<WorkQueue, "webhooks">;
  readonly reader: EventReader;
  readonly sealer: Sealer;
  readonly logger: Logger;
}

export interface DeliverySignals {
  /** Aborted: no further delivery is begun. */
  readonly stopping: AbortSignal;
  /** Aborted: the one under way is cut too; it will be repeated. */
  readonly cutting: AbortSignal;
}

/** @returns the seconds after which it is to be tried again; undefined: nothing has failed. */
export async function deliverChanges(
  deps: DeliveryDependencies,
  lease: WebhookLease,
  signals: DeliverySignals,
): Promise<number | undefined> {
  const { prisma, sealer } = deps;
  const secret = lease.secret === null ? undefined : sealer.unseal(lease.secret);
  if (lease.secret !== null && secret === undefined) {
    const reason = "its secret was sealed with another FACTORY_TOKEN: set the webhook again";
    return fail(deps, lease, { kind: "failed", reason });
  }
  const until = performance.now() + longestRunMs;
  let cursor = lease.deliveredSequence;
  while (!isStopping(signals) && performance.now() < until) {
    const deliveries = await readDeliveries(deps, lease, cursor);
    if (deliveries.length === 0) break;
    for (const { sequence, body } of deliveries) {
      if (isStopping(signals)) break;
      const deliveryId = `${lease.parentSessionId}.${String(sequence)}`;
      const post = { url: lease.url, secret, deliveryId, body };
      const outcome = await postDelivery(post, signals.cutting);
      if (outcome.kind !== "delivered") return fail(deps, lease, outcome);
      if (!(await advance(prisma, lease, sequence))) return undefined;
      cursor = sequence;
    }
  }
  await release(prisma, lease);
  return undefined;
}

/** What it says now: the compiler takes an earlier answer to stand, also behind an await. */
function isStopping({ stopping }: DeliverySignals): boolean {
  return stopping.aborted;
}

async function readDeliveries(
  { prisma, reader, logger }: DeliveryDependencies,
  { streamId, parentName }: WebhookLease,
  cursor: number,
) {
  const events = await reader.read(streamId, cursor, readAtOnce);
  const first = events[0]?.sequence ?? cursor + 1;
  if (first > cursor + 1) {
    const lost = { parentSession: parentName, from: cursor + 1, to: first - 1 };
    logger.warn(lost, "changes were no longer kept when a webhook's turn came for them");
  }
  return describeChanges(prisma, parentName, events);
}

async function fail(
  { prisma, queue, logger }: DeliveryDependencies,
  lease: WebhookLease,
  outcome: Exclude<Outcome, { kind: "delivered" }>,
): Promise<number | undefined> {
  const isLast = outcome.kind === "gone";
  const reason = outcome.kind === "gone" ? "it answered 410: it wants no more" : outcome.reason;
  const retry = await prisma.$transaction(async (transaction) => {
    const recorded = await recordFailure(transaction, lease, { reason, isLast });
    if (recorded === undefined) return undefined;
    const { failures, isGivenUp } = recorded;
    const seconds = isGivenUp ? undefined : retrySeconds(failures);
    if (seconds !== undefined) {
      await queue.webhooks.wakeAfter(transaction, lease.parentSessionId, seconds);
    }
    return { failures, seconds };
  });
  if (retry === undefined) return undefined;
  // Its path and query may hold a token.
  const { origin } = new URL(lease.url);
  const facts = { parentSession: lease.parentName, origin, reason, ...retry };
  if (retry.seconds === undefined) logger.warn(facts, "a webhook was given up");
  else if (retry.failures === 1) logger.warn(facts, "a webhook's delivery failed; trying again");
  else logger.debug(facts, "a webhook's delivery failed again");
  return retry.seconds;
}

/** Twice as long after each failure in a row, with jitter; whole seconds, as the queue counts. */
function retrySeconds(failures: number): number {
  const longest = Math.min(firstRetrySeconds * 2 ** (failures - 1), longestRetrySeconds);
  return Math.ceil(longest * (0.5 + Math.random() / 2));
}
