import DataLoader from "dataloader";
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
/** Of a page that is asked for. */
const mostBytesInPage = 4_000_000;
/** Reads of one statement, and statements at a time: what streams at their ends ask for is little. */
const mostGathered = 32;
const mostUnderway = 2;

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
  /** As many as can be held for each of many subscribers. Equal reads that wait for their turn are one. */
  readBatch(streamId: string, after: number): Promise<EventBatch>;
}

export interface EventReader extends BatchReader {
  /**
   * Oldest first. Fewer than the limit where they are large: at least one where there is any, and some 4 MB of
   * payloads at most.
   */
  read(streamId: string, after: number, limit: number): Promise<readonly StoredEvent[]>;
}

export function createEventReader(pool: pg.Pool): EventReader {
  async function queryBatches(
    asked: readonly Asked[],
    { events: most, bytes }: BatchSize = { events: mostInBatch, bytes: mostBytesInBatch },
  ): Promise<EventBatch[]> {
    const { rows } = await pool.query<BatchRow>({
      name: "read-event-batches",
      text: batchesQuery,
      values: [asked.map(({ streamId }) => streamId), asked.map(({ after }) => after), most, bytes],
    });
    const batches = Map.groupBy(rows, ({ place }) => place);
    return asked.map((_, index) => {
      const events = batches.get(index + 1) ?? [];
      return { events, isFull: events.at(-1)?.isFull ?? false };
    });
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
    async read(streamId, after, limit) {
      const page = { events: limit, bytes: mostBytesInPage };
      const [batch = emptyBatch] = await queryBatches([{ streamId, after }], page);
      return batch.events;
    },
    readBatch: gathered((asked) => queryBatches(asked)),
  };
}

interface BatchSize {
  readonly events: number;
  /** Of payloads, the last one not counted. */
  readonly bytes: number;
}

interface Asked {
  readonly streamId: string;
  readonly after: number;
}

type BatchRow = StoredEvent & { readonly place: number; readonly isFull: boolean };

/** Row by row, so that no payload beyond the last of a batch is read. */
const batchesQuery = `
  SELECT asked.place::int, batch.*
  FROM unnest($1::uuid[], $2::int[]) WITH ORDINALITY AS asked("streamId", after, place)
  CROSS JOIN LATERAL (
    WITH RECURSIVE batch AS (
      (SELECT sequence, at, type, payload, 1 AS size, octet_length(payload::text) AS bytes
       FROM "Event" AS event
       WHERE event."streamId" = asked."streamId" AND event.sequence > asked.after
       ORDER BY sequence LIMIT 1)
      UNION ALL
      SELECT event.sequence, event.at, event.type, event.payload,
             batch.size + 1, batch.bytes + octet_length(event.payload::text)
      FROM batch JOIN "Event" AS event
        ON event."streamId" = asked."streamId" AND event.sequence = batch.sequence + 1
      WHERE batch.size < $3 AND batch.bytes < $4
    )
    SELECT sequence, at, type, payload, size >= $3 OR bytes >= $4 AS "isFull" FROM batch
  ) AS batch
  ORDER BY place, sequence`;

/** What is asked for while as many statements are under way as there may be becomes few. */
function gathered(
  query: (asked: readonly Asked[]) => Promise<EventBatch[]>,
): BatchReader["readBatch"] {
  const waiting: (() => void)[] = [];
  let underway = 0;

  function begin(): void {
    while (underway < mostUnderway) {
      const dispatch = waiting.shift();
      if (dispatch === undefined) return;
      dispatch();
    }
  }

  const loader = new DataLoader<Asked, EventBatch, string>(
    async (asked) => {
      underway += 1;
      // Who asks from here on may have been told of what this statement doesn't see.
      for (const one of asked) loader.clear(one);
      try {
        return await query(asked);
      } finally {
        underway -= 1;
        begin();
      }
    },
    {
      cacheKeyFn: ({ streamId, after }) => `${streamId} ${String(after)}`,
      maxBatchSize: mostGathered,
      batchScheduleFn(dispatch) {
        waiting.push(dispatch);
        setImmediate(begin);
      },
    },
  );
  return (streamId, after) => loader.load({ streamId, after });
}
