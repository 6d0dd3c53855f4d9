// What came before the events that the stream began with.
import { client } from "../../../client/client.ts";
import { failureOf, type Failure } from "../../../client/failure.ts";
import { earlierEvents, type WorkerEvent } from "./operations.ts";

const page = 500;

export interface Earlier {
  readonly events: readonly WorkerEvent[];
  /** The events after this sequence are known now. */
  readonly start: number;
  /** The oldest that the server keeps, where it said so. */
  readonly expiredBefore?: number;
  readonly failure?: Failure;
}

/** The last so many of the events up to `start`. */
export async function readEarlier(id: string, start: number): Promise<Earlier> {
  const after = Math.max(0, start - page);
  const known = await read(id, after, start);
  const oldest = known.failure?.facts["firstSequence"];
  if (known.failure?.code !== "EVENTS_EXPIRED" || typeof oldest !== "number") return known;
  // A part of them may still be there.
  if (oldest > start) return { events: [], start: 0, expiredBefore: oldest };
  return { ...(await read(id, oldest - 1, start)), expiredBefore: oldest };
}

/** Page by page: one of large events holds fewer than were asked for. */
async function read(id: string, after: number, start: number): Promise<Earlier> {
  const events: WorkerEvent[] = [];
  for (let last = after; last < start;) {
    const asked = { id, after: last, first: start - last };
    const { data, error } = await client.query(earlierEvents, asked);
    if (error !== undefined) return { events: [], start, failure: failureOf(error) };
    const found = data?.workerSession?.events ?? [];
    events.push(...found);
    last = found.at(-1)?.sequence ?? start;
  }
  return { events, start: after };
}
