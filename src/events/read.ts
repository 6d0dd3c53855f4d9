import type pg from "pg";

export interface StoredEvent {
  readonly sequence: number;
  readonly at: Date;
  readonly type: string;
  readonly payload: unknown;
}

export interface StreamPosition {
  readonly streamId: string;
  readonly lastSequence: number;
  readonly firstSequence: number;
}

/** What is held for each subscriber that reads on: an event's payload may be of 64 KB and more. */
const mostInBatch = 200;
const mostBytesInBatch = 1_000_000;

export interface EventBatch {
  /** Oldest first; none: nothing came after. */
  readonly events: readonly StoredEvent[];
  /** Full: more may be there already. */
  readonly isFull: boolean;
}

/** Of a stream to which nothing was ever appended. */
export const emptyBatch: EventBatch = { events: [], isFull: false };

export interface BatchReader {
  /** undefined while nothing was ever appended to it. */
  position(key: string): Promise<StreamPosition | undefined>;
  /** As many as can be held for each of many subscribers. Equal reads at the same time are one. */
  readBatch(streamId: string, after: number): Promise<EventBatch>;
}

export interface EventReader extends BatchReader {
  /** Oldest first. Equal reads that are asked for at the same time are one. */
  read(streamId: string, after: number, limit: number): Promise<readonly StoredEvent[]>;
}

export function createEventReader(pool: pg.Pool): EventReader {
  async function query(streamId: string, after: number, limit: number) {
    const { rows } = await pool.query<StoredEvent>({
      name: "read-events",
      text: `SELECT sequence, at, type, payload FROM "Event"
             WHERE "streamId" = $1 AND sequence > $2 ORDER BY sequence LIMIT $3`,
      values: [streamId, after, limit],
    });
    return rows;
  }

  /** Row by row, so that no payload beyond the last of the batch is read. */
  async function queryBatch(streamId: string, after: number): Promise<EventBatch> {
    const { rows } = await pool.query<StoredEvent & { isFull: boolean }>({
      name: "read-event-batch",
      text: `WITH RECURSIVE batch AS (
               (SELECT sequence, at, type, payload, 1 AS size, octet_length(payload::text) AS bytes
                FROM "Event" WHERE "streamId" = $1 AND sequence > $2 ORDER BY sequence LIMIT 1)
               UNION ALL
               SELECT event.sequence, event.at, event.type, event.payload,
                      batch.size + 1, batch.bytes + octet_length(event.payload::text)
               FROM batch JOIN "Event" AS event
                 ON event."streamId" = $1 AND event.sequence = batch.sequence + 1
               WHERE batch.size < $3 AND batch.bytes < $4
             )
             SELECT sequence, at, type, payload, size >= $3 OR bytes >= $4 AS "isFull" FROM batch`,
      values: [streamId, after, mostInBatch, mostBytesInBatch],
    });
    return { events: rows, isFull: rows.at(-1)?.isFull ?? false };
  }

  return {
    async position(key) {
      const { rows } = await pool.query<StreamPosition>({
        name: "stream-position",
        text: `SELECT id AS "streamId", "lastSequence", "firstSequence" FROM "Stream" WHERE key = $1`,
        values: [key],
      });
      return rows[0];
    },
    read: shared(query),
    readBatch: shared(queryBatch),
  };
}

/** Equal calls that overlap are one. */
function shared<Arguments extends readonly (string | number)[], Value>(
  read: (...args: Arguments) => Promise<Value>,
): (...args: Arguments) => Promise<Value> {
  const underway = new Map<string, Promise<Value>>();
  return (...args) => {
    const key = args.join(" ");
    const same = underway.get(key);
    if (same !== undefined) return same;
    const reading = read(...args).finally(() => underway.delete(key));
    underway.set(key, reading);
    return reading;
  };
}
