// A subscription is one small loop: read what is stored after my cursor, wait for a notice, read again.
import { insist } from "../database/insist.ts";
import { FactoryError } from "../errors.ts";
import { abortable } from "./abortable.ts";
import type { Notices } from "./notices.ts";
import type { EventReader, StoredEvent, StreamPosition } from "./read.ts";

/** In case a notice was lost, a waiting loop looks for itself this often. */
const lookAgainMs = 5_000;
const batchSize = 200;
/** An outage of the database that is shorter than this delays a subscription, and doesn't end it. */
export const patienceMs = 30_000;

export interface FollowOptions {
  /** Replays what is stored after this sequence, then goes on; undefined: what comes from now on. */
  readonly after?: number | undefined;
  /** The stream ends after the first event for which this is true. */
  readonly isLast?: (event: StoredEvent) => boolean;
  /** Asked once, where the subscriber starts at the stream's end: true ends it at once. */
  readonly isOver?: () => Promise<boolean>;
}

export interface EventLog {
  /**
   * Resolves when the subscription stands, so that nothing after that moment is missed.
   * @throws FactoryError CURSOR_AHEAD beyond the last event, EVENTS_EXPIRED where retention has removed
   * what was asked for (facts.firstSequence tells the oldest left), BAD_INPUT for a negative cursor.
   */
  follow(key: string, options: FollowOptions): Promise<AsyncGenerator<StoredEvent>>;
  /** @returns the sequence to start after. @throws FactoryError as `follow`. */
  checkCursor(after: number | undefined, position: StreamPosition | undefined): number;
}

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

function expired(firstSequence: number): FactoryError {
  return new FactoryError(
    "EVENTS_EXPIRED",
    `the events after that sequence are no longer kept: the oldest is ${String(firstSequence)}; read the ` +
      `state anew and start from its lastSequence, or from after: ${String(firstSequence - 1)}`,
    { facts: { firstSequence } },
  );
}

export function createEventLog(reader: EventReader, notices: Notices): EventLog {
  async function* loop(
    key: string,
    options: FollowOptions,
    start: { cursor: number; streamId: string | undefined },
    bell: Bell,
    signal: AbortSignal,
  ): AsyncGenerator<StoredEvent> {
    let { cursor, streamId } = start;
    const read = async () => {
      streamId ??= (await reader.position(key))?.streamId;
      return streamId === undefined ? [] : reader.read(streamId, cursor, batchSize);
    };
    while (!signal.aborted) {
      bell.silence(cursor);
      const events = await insist(read, { signal, patienceMs });
      for (const event of events) {
        if (event.sequence !== cursor + 1) throw expired(event.sequence);
        cursor = event.sequence;
        yield event;
        if (options.isLast?.(event) === true) return;
      }
      if (events.length < batchSize) await bell.rung();
    }
  }

  return {
    checkCursor,
    async follow(key, options) {
      // Watching begins before the cursor is read: what is appended in between rings the bell.
      const bell = new Bell();
      const unwatch = notices.watch(`stream:${key}`, (notice) => {
        bell.ring(notice?.sequence);
      });
      try {
        const position = await reader.position(key);
        const cursor = checkCursor(options.after, position);
        // The order matters: what is over now was so, or has its last event after the position.
        const over =
          cursor === (position?.lastSequence ?? 0) &&
          options.isOver !== undefined &&
          (await options.isOver()) &&
          (await reader.position(key))?.lastSequence === position?.lastSequence;
        const start = { cursor, streamId: position?.streamId };
        return abortable(
          (signal) => (over ? nothing() : loop(key, options, start, bell, signal)),
          () => {
            unwatch();
            bell.ring();
          },
        );
      } catch (error) {
        unwatch();
        throw error;
      }
    },
  };
}

// eslint-disable-next-line @typescript-eslint/require-await -- a generator that has ended already
async function* nothing(): AsyncGenerator<StoredEvent> {
  return;
}

/** Remembers a ring until it is heard. The subscription's end rings it too. */
class Bell {
  #heard = 0;
  #ringing = false;
  #wake: (() => void) | undefined;

  ring(sequence = Infinity): void {
    if (sequence <= this.#heard) return;
    this.#ringing = true;
    this.#wake?.();
  }

  /** From here on only what comes after the cursor rings. */
  silence(cursor: number): void {
    this.#heard = cursor;
    this.#ringing = false;
  }

  async rung(): Promise<void> {
    if (this.#ringing) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, lookAgainMs);
    this.#wake = resolve;
    await promise;
    this.#wake = undefined;
    clearTimeout(timer);
  }
}
