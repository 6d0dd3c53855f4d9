import type { Database } from "../database/client.ts";
import { tellAppended } from "../measurements.ts";

export interface NewEvent {
  readonly type: string;
  readonly payload: object;
  /** Default: now. */
  readonly at?: Date;
}

export interface Append {
  readonly streamId: string;
  readonly events: readonly NewEvent[];
  /** Global ids of what changed, for overviews. */
  readonly subjects?: readonly string[];
}

/**
 * Appends to one or more streams, and wakes those who watch the topics. Must be the last statement of the
 * transaction that makes the events true: from here to its end the streams' rows are locked.
 */
export async function appendEvents(
  transaction: Database,
  appends: readonly Append[],
  topics: readonly string[] = [],
): Promise<void> {
  // One order everywhere, so that two transactions that share two streams can't wait for each other.
  const ordered = appends.toSorted((a, b) => (a.streamId < b.streamId ? -1 : 1));
  const argument = JSON.stringify(
    ordered.map(({ streamId, events, subjects }) => ({ stream: streamId, events, subjects })),
  );
  const wake = topics.map((topic) => JSON.stringify({ topic }));
  await transaction.$queryRaw`
    SELECT append_events(${argument}::jsonb),
           (SELECT count(pg_notify('factory', notice)::text) FROM unnest(${wake}::text[]) AS notice)`;
  for (const { events } of appends) tellAppended(events);
}
