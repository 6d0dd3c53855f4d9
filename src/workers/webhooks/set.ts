import type { Database } from "../../database/client.ts";
import { FactoryError } from "../../errors.ts";
import { appendEvents } from "../../events/append.ts";
import type { WorkQueue } from "../../queue/queue.ts";
import type { Sealer } from "../../seal.ts";
import { webhooksTopic } from "../events.ts";
import { requireParent } from "../parent.ts";

export interface WebhookSetting {
  readonly url: string;
  readonly secret: string | undefined;
}

export interface WebhookStore {
  readonly queue: Pick<WorkQueue, "webhooks">;
  readonly sealer: Sealer;
}

/**
 * A new webhook gets what comes from now on. One that is set again goes on where it was: what it missed
 * while its endpoint was away comes first. @returns the parent's id
 */
export async function saveWebhook(
  { queue, sealer }: WebhookStore,
  transaction: Database,
  parentSession: string,
  { url, secret }: WebhookSetting,
): Promise<string> {
  const { id } = await requireParent(transaction, parentSession);
  const { stream } = await transaction.parentSession.findUniqueOrThrow({
    where: { id },
    select: { stream: { select: { lastSequence: true } } },
  });
  const data = { url, secret: secret === undefined ? null : sealer.seal(secret) };
  await transaction.parentWebhook.upsert({
    where: { parentSessionId: id },
    create: { ...data, parentSessionId: id, deliveredSequence: stream.lastSequence },
    // Without its lease, who still delivers to the endpoint of before stops.
    update: {
      ...data,
      lease: null,
      leaseEndsAt: new Date(0),
      failures: 0,
      failingSince: null,
      error: null,
      endedAt: null,
    },
  });
  // The wait after a failure was for the endpoint of before.
  await queue.webhooks.forget(transaction, id);
  await appendEvents(transaction, [], [webhooksTopic]);
  return id;
}

/** @returns the parent's id @throws FactoryError NOT_FOUND */
export async function removeWebhook(
  { queue }: WebhookStore,
  transaction: Database,
  name: string,
): Promise<string> {
  const parent = await transaction.parentSession.findUnique({ where: { name } });
  if (parent === null) throw new FactoryError("NOT_FOUND", "there is no such parent session");
  await transaction.parentWebhook.deleteMany({ where: { parentSessionId: parent.id } });
  await queue.webhooks.forget(transaction, parent.id);
  return parent.id;
}
