// The changes of status among a worker's events, for those who show how its time was spent.
import type { Pool } from "../database/client.ts";
import type { StoredEvent } from "../events/read.ts";

/** An agent that asks for permission again and again changes its status twice each time. */
export const mostStatusEvents = 200;

/** For each stream the latest of them, oldest first, with one statement for all. */
export async function readStatusEvents(
  pool: Pool,
  streamIds: readonly string[],
): Promise<StoredEvent[][]> {
  const { rows } = await pool.query<StoredEvent & { readonly streamId: string }>({
    name: "status-events",
    text: `SELECT event."streamId", event.sequence, event.at, event.type, event.payload
           FROM unnest($1::uuid[]) AS stream(id), LATERAL (
             SELECT "streamId", sequence, at, type, payload FROM "Event"
             WHERE "streamId" = stream.id AND type = 'status' ORDER BY sequence DESC LIMIT $2
           ) AS event ORDER BY event.sequence`,
    values: [streamIds, mostStatusEvents],
  });
  const byStream = Map.groupBy(rows, ({ streamId }) => streamId);
  return streamIds.map((id) => byStream.get(id) ?? []);
}
