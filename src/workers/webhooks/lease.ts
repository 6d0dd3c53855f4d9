// Who delivers a parent's changes, and how far that has come: what the row of a webhook says. All times are
// the database's.
import type { Database, PrismaClient } from "../../database/client.ts";

/** Longer than one delivery takes; a server that was killed holds its webhooks up for so long. */
const leaseSeconds = 15;
/** An endpoint that has failed for so long is given up. */
const giveUpHours = 72;
/** A failing webhook has a job that waits. In case that was lost, it is looked at again after this. */
const lookAgainMinutes = 30;
const mostAtOnce = 100;

export interface WebhookLease {
  readonly id: string;
  readonly parentSessionId: string;
  readonly parentName: string;
  readonly streamId: string;
  readonly url: string;
  /** Sealed. */
  readonly secret: string | null;
  readonly deliveredSequence: number;
}

/** Parents with changes that nobody delivers at the moment. */
export async function findBehind(prisma: PrismaClient): Promise<string[]> {
  const rows = await prisma.$queryRaw<{ id: string }[]>`
    SELECT webhook."parentSessionId" AS id
    FROM "ParentWebhook" AS webhook
    JOIN "ParentSession" AS parent ON parent.id = webhook."parentSessionId"
    JOIN "Stream" AS stream ON stream.id = parent."streamId"
    WHERE webhook."endedAt" IS NULL AND stream."lastSequence" > webhook."deliveredSequence"
      AND webhook."leaseEndsAt" <= now()
      AND (webhook.failures = 0 OR webhook."triedAt" < now() - ${lookAgainMinutes} * interval '1 min')
    ORDER BY webhook."triedAt" LIMIT ${mostAtOnce}`;
  return rows.map(({ id }) => id);
}

/** undefined: it has ended, or somebody delivers. */
export async function takeLease(
  transaction: Database,
  parentSessionId: string,
): Promise<WebhookLease | undefined> {
  const [lease] = await transaction.$queryRaw<WebhookLease[]>`
    UPDATE "ParentWebhook" AS webhook
    SET lease = gen_random_uuid(), "leaseEndsAt" = now() + ${leaseSeconds} * interval '1 s', "triedAt" = now()
    FROM "ParentSession" AS parent
    WHERE webhook."parentSessionId" = ${parentSessionId}::uuid AND parent.id = webhook."parentSessionId"
      AND webhook."endedAt" IS NULL AND webhook."leaseEndsAt" <= now()
    RETURNING webhook.lease AS id, parent.id AS "parentSessionId", parent.name AS "parentName",
      parent."streamId", webhook.url, webhook.secret, webhook."deliveredSequence"`;
  return lease;
}

/** Remembers a delivery. False: the lease was lost, or the webhook set anew meanwhile. */
export async function advance(
  prisma: PrismaClient,
  lease: WebhookLease,
  sequence: number,
): Promise<boolean> {
  const count = await prisma.$executeRaw`
    UPDATE "ParentWebhook"
    SET "deliveredSequence" = ${sequence}, "leaseEndsAt" = now() + ${leaseSeconds} * interval '1 s',
      failures = 0, "failingSince" = NULL, error = NULL
    WHERE "parentSessionId" = ${lease.parentSessionId}::uuid AND lease = ${lease.id}::uuid`;
  return count > 0;
}

export async function release(prisma: PrismaClient, lease: WebhookLease): Promise<void> {
  await prisma.$executeRaw`
    UPDATE "ParentWebhook" SET lease = NULL, "leaseEndsAt" = now()
    WHERE "parentSessionId" = ${lease.parentSessionId}::uuid AND lease = ${lease.id}::uuid`;
}

export interface RecordedFailure {
  /** In a row. */
  readonly failures: number;
  /** It was the last. */
  readonly isGivenUp: boolean;
}

/** Ends the lease. undefined: it was lost before. */
export async function recordFailure(
  transaction: Database,
  lease: WebhookLease,
  { reason, isLast }: { readonly reason: string; readonly isLast: boolean },
): Promise<RecordedFailure | undefined> {
  const [recorded] = await transaction.$queryRaw<RecordedFailure[]>`
    UPDATE "ParentWebhook"
    SET failures = failures + 1, "failingSince" = coalesce("failingSince", now()), error = ${reason},
      lease = NULL, "leaseEndsAt" = now(),
      "endedAt" = CASE
        WHEN ${isLast} OR "failingSince" < now() - ${giveUpHours} * interval '1 h' THEN now() END
    WHERE "parentSessionId" = ${lease.parentSessionId}::uuid AND lease = ${lease.id}::uuid
    RETURNING failures, "endedAt" IS NOT NULL AS "isGivenUp"`;
  return recorded;
}
