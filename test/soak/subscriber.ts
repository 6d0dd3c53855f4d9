// Follows a session through all that happens to its server, and comes back with its cursor.
import { setTimeout as delay } from "node:timers/promises";
import type { World } from "./world.ts";

const finalStatuses = ["SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT", "LOST"];

export interface SessionEvent {
  readonly sequence: number;
  readonly status?: string;
  readonly text?: string;
}

const subscription = `subscription ($id: ID!, $after: Int) { workerEvents(id: $id, after: $after) {
  sequence
  ... on WorkerStatusEvent { status }
  ... on WorkerOutputEvent { text }
} }`;

export function isFinal(event: SessionEvent | undefined): boolean {
  return event?.status !== undefined && finalStatuses.includes(event.status);
}

/** Resolves with all that it was told, when it was told of the session's end, or at the signal. */
export async function follow(
  world: World,
  id: string,
  signal: AbortSignal,
): Promise<{ events: readonly SessionEvent[]; resumed: number }> {
  const events: SessionEvent[] = [];
  let resumed = 0;
  while (!signal.aborted && !isFinal(events.at(-1))) {
    const server = await world.up();
    const after = events.at(-1)?.sequence ?? 0;
    const followed = server.subscribe<{ workerEvents: SessionEvent }>(subscription, { id, after });
    const ended = followed.completed.catch(() => undefined);
    await Promise.race([ended, delay(60_000, undefined, { signal }).catch(() => undefined)]);
    followed.end();
    events.push(...followed.messages.map(({ workerEvents }) => workerEvents));
    if (isFinal(events.at(-1))) break;
    resumed += 1;
    // The server is going, and the next one not there yet.
    await delay(100);
  }
  return { events, resumed };
}
