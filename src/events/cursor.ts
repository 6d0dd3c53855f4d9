// Where in a stream a subscriber may start.
import { FactoryError } from "../errors.ts";
import type { StreamPosition } from "./read.ts";

/** @returns the sequence to start after. @throws FactoryError BAD_INPUT, CURSOR_AHEAD, EVENTS_EXPIRED */
export function checkCursor(
  after: number | undefined,
  position: StreamPosition | undefined,
): number {
  const last = position?.lastSequence ?? 0;
  if (after === undefined) return last;
  if (after < 0) {
    throw new FactoryError("BAD_INPUT", "after must be 0 or the sequence of an event");
  }
  if (after > last) {
    throw new FactoryError(
      "CURSOR_AHEAD",
      `after is ${String(after)}, but the stream's last sequence is ${String(last)}: start from there or below`,
      { facts: { lastSequence: last } },
    );
  }
  const first = position?.firstSequence ?? 1;
  // 0 asks for the oldest that there is, whatever that is.
  if (after === 0) return first - 1;
  if (after < first - 1) throw expired(first);
  return after;
}

export function expired(firstSequence: number): FactoryError {
  return new FactoryError(
    "EVENTS_EXPIRED",
    `the events after that sequence are no longer kept: the oldest is ${String(firstSequence)}; read the ` +
      `state anew and start from its lastSequence, or from after: ${String(firstSequence - 1)}`,
    { facts: { firstSequence } },
  );
}
