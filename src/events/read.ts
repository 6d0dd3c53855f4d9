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

/** One for all who read on: equal reads are one. */
export const batchSize = 200;

export interface EventReader {
  /** undefined while nothing was ever appended to it. */
  position(key: string): Promise<StreamPosition | undefined>;
  /** Oldest first. Equal reads that are asked for at the same time are one. */
  read(streamId: string, after: number, limit: number): Promise<readonly StoredEvent[]>;
}

export function createEventReader(pool: pg.Pool): EventReader {
  const underway = new Map<string, Promise<readonly StoredEvent[]>>();

  async function query(streamId: string, after: number, limit: number) {
    const { rows } = await pool.query<StoredEvent>({
      name: "read-events",
      text: `SELECT sequence, at, type, payload FROM "Event"
             WHERE "streamId" = $1 AND sequence > $2 ORDER BY sequence LIMIT $3`,
      values: [streamId, after, limit],
    });
    return rows;
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
    read(streamId, after, limit) {
      const key = `${streamId} ${String(after)} ${String(limit)}`;
      const same = underway.get(key);
      if (same !== undefined) return same;
      const reading = query(streamId, after, limit).finally(() => underway.delete(key));
      underway.set(key, reading);
      return reading;
    },
  };
}
