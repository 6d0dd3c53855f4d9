// Events that are older than what is to be kept. The rows of sessions stay, and of each stream its newest
// event; of an ended session's that is its final status, which completes whoever follows it.
import type { PrismaClient } from "../database/client.ts";
import { expireBefore } from "../events/expire.ts";
import { step, type MaintenanceDependencies } from "./task.ts";

/** Streams that are looked for at once. */
const pageSize = 200;

export async function expireEvents(
  { prisma, retentionDays, logger }: MaintenanceDependencies,
  signal: AbortSignal,
): Promise<string[]> {
  const cutoff = new Date(Date.now() - retentionDays * 24 * 3600 * 1000);
  const expire = (find: FindStreams) =>
    expireAll(prisma, (after) => find(prisma, cutoff, after), signal);
  const since = cutoff.toISOString();
  return [
    ...(await step(logger, "Deleting ended workers' events", async () => {
      const { events, streams } = await expire(findEndedSessions);
      if (events === 0) return [];
      return [
        `Deleted ${String(events)} events of ${String(streams)} workers that ended before ${since}; their final statuses stay.`,
      ];
    })),
    ...(await step(logger, "Deleting old events", async () => {
      const { events, streams } = await expire(findOtherStreams);
      if (events === 0) return [];
      return [
        `Deleted ${String(events)} events from before ${since} of ${String(streams)} streams of parent sessions, repositories and worktrees.`,
      ];
    })),
  ];
}

interface ExpiringStream {
  readonly id: string;
  /** The oldest sequence that stays. */
  readonly keepFrom: number;
}

type FindStreams = (
  prisma: PrismaClient,
  cutoff: Date,
  after: string,
) => Promise<readonly ExpiringStream[]>;

async function expireAll(
  prisma: PrismaClient,
  find: (after: string) => Promise<readonly ExpiringStream[]>,
  signal: AbortSignal,
): Promise<{ events: number; streams: number }> {
  const total = { events: 0, streams: 0 };
  let after = "00000000-0000-0000-0000-000000000000";
  for (;;) {
    signal.throwIfAborted();
    const page = await find(after);
    for (const { id, keepFrom } of page) {
      const events = await expireBefore(prisma, id, keepFrom, signal);
      total.events += events;
      if (events > 0) total.streams += 1;
    }
    const last = page.at(-1);
    if (last === undefined) return total;
    after = last.id;
  }
}

/** From the last status on, which is the final one. */
const findEndedSessions: FindStreams = (prisma, cutoff, after) =>
  prisma.$queryRaw<ExpiringStream[]>`
    SELECT stream.id, final.sequence AS "keepFrom"
    FROM "Stream" AS stream
    JOIN "WorkerSession" AS session ON session."streamId" = stream.id
    CROSS JOIN LATERAL (
      SELECT event.sequence FROM "Event" AS event
      WHERE event."streamId" = stream.id AND event.type = 'status'
      ORDER BY event.sequence DESC LIMIT 1
    ) AS final
    WHERE session."finishedAt" < ${cutoff} AND stream."firstSequence" < stream."lastSequence"
      AND stream.id > ${after}::uuid
    ORDER BY stream.id LIMIT ${pageSize}`;

/** Those whose oldest event is too old: from the first that isn't, or the newest. */
const findOtherStreams: FindStreams = (prisma, cutoff, after) =>
  prisma.$queryRaw<ExpiringStream[]>`
    SELECT stream.id, coalesce(young.sequence, stream."lastSequence") AS "keepFrom"
    FROM "Stream" AS stream
    JOIN "Event" AS oldest
      ON oldest."streamId" = stream.id AND oldest.sequence = stream."firstSequence"
    LEFT JOIN LATERAL (
      SELECT event.sequence FROM "Event" AS event
      WHERE event."streamId" = stream.id AND event.at >= ${cutoff}
      ORDER BY event.sequence LIMIT 1
    ) AS young ON true
    WHERE stream."firstSequence" < stream."lastSequence" AND oldest.at < ${cutoff}
      AND NOT EXISTS (SELECT 1 FROM "WorkerSession" AS session WHERE session."streamId" = stream.id)
      AND stream.id > ${after}::uuid
    ORDER BY stream.id LIMIT ${pageSize}`;
