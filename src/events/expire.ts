import type { PrismaClient } from "../database/client.ts";

/** Few enough that an append to the same stream hardly waits. */
const batchSize = 1_000;

/**
 * Deletes the stream's events before `keepFrom`, a batch after the other, each together with the sequence
 * from which on the stream is still there: whoever asks for earlier ones gets EVENTS_EXPIRED. Safe to do by
 * several at once. @returns how many were deleted
 */
export async function expireBefore(
  prisma: PrismaClient,
  streamId: string,
  keepFrom: number,
  signal: AbortSignal,
): Promise<number> {
  let total = 0;
  for (;;) {
    signal.throwIfAborted();
    const [batch] = await prisma.$queryRaw<{ deleted: number; next: number; end: number }[]>`
      WITH stream AS (
        SELECT id, "firstSequence" AS first, least(${keepFrom}::int, "lastSequence") AS "end",
               least(${keepFrom}::int, "lastSequence", "firstSequence" + ${batchSize}::int) AS next
        FROM "Stream" WHERE id = ${streamId}::uuid FOR UPDATE
      ), raised AS (
        UPDATE "Stream" SET "firstSequence" = stream.next FROM stream
        WHERE "Stream".id = stream.id AND stream.next > stream.first
      ), deleted AS (
        DELETE FROM "Event" USING stream
        WHERE "Event"."streamId" = stream.id AND "Event".sequence >= stream.first
          AND "Event".sequence < stream.next
        RETURNING 1
      )
      SELECT (SELECT count(*) FROM deleted)::int AS deleted, next, "end" FROM stream`;
    if (batch === undefined) return total;
    total += batch.deleted;
    if (batch.next >= batch.end) return total;
  }
}
