// A subscription is one small loop: read what is stored after my cursor, wait for a notice, read again.
import { insist } from "../database/insist.ts";
import { abortable } from "./abortable.ts";
import { Bell } from "./bell.ts";
import { checkCursor, expired } from "./cursor.ts";
import type { Notices } from "./notices.ts";
import {
  emptyBatch,
  type EventBatch,
  type BatchReader,
  type StoredEvent,
  type StreamPosition,
} from "./read.ts";
import { createWaits, type WaitOptions } from "./wait.ts";

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
  /**
   * The events after a sequence, a batch at most: at once where there are some, else as soon as there are.
   * None: the time is over, the caller is gone, or waits are ended.
   * @throws FactoryError as `follow`; LIMIT_EXCEEDED where too many wait already.
   */
  wait(key: string, options: WaitOptions): Promise<readonly StoredEvent[]>;
  /** How many follow streams of each kind now, such as worker. */
  countFollowers(): ReadonlyMap<string, number>;
  /** Ends the waits under way, and all that come later at once: for the server's stop. */
  endWaits(): void;
  /** @returns the sequence to start after. @throws FactoryError as `follow`. */
  checkCursor(after: number | undefined, position: StreamPosition | undefined): number;
}

export function createEventLog(reader: BatchReader, notices: Notices): EventLog {
  async function* loop(
    key: string,
    options: FollowOptions,
    start: { cursor: number; streamId: string | undefined },
    bell: Bell,
    signal: AbortSignal,
  ): AsyncGenerator<StoredEvent> {
    let { cursor, streamId } = start;
    const read = async (): Promise<EventBatch> => {
      streamId ??= (await reader.position(key))?.streamId;
      return streamId === undefined ? emptyBatch : reader.readBatch(streamId, cursor);
    };
    while (!signal.aborted) {
      bell.silence(cursor);
      const { events, isFull } = await insist(read, { signal, patienceMs });
      for (const event of events) {
        if (event.sequence !== cursor + 1) throw expired(event.sequence);
        cursor = event.sequence;
        yield event;
        if (options.isLast?.(event) === true) return;
      }
      if (!isFull) await bell.rung();
    }
  }

  const waits = createWaits(reader, notices);
  const followers = new Map<string, number>();

  /** @returns what ends it, once. */
  function countIn(key: string): () => void {
    const kind = kindOf(key);
    const add = (more: number) => followers.set(kind, (followers.get(kind) ?? 0) + more);
    add(1);
    return () => add(-1);
  }

  return {
    countFollowers: () => followers,
    checkCursor,
    wait: (key, options) => waits.wait(key, options),
    endWaits() {
      waits.end();
    },
    async follow(key, options) {
      // Watching begins before the cursor is read: what is appended in between rings the bell.
      const bell = new Bell();
      const unwatch = notices.watch(`stream:${key}`, (notice) => {
        bell.ring(notice?.sequence);
      });
      const countOut = countIn(key);
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
            countOut();
            bell.ring();
          },
        );
      } catch (error) {
        unwatch();
        countOut();
        throw error;
      }
    },
  };
}

/** Streams' keys begin with what the stream tells of: worker:12. */
function kindOf(key: string): string {
  return key.slice(0, key.indexOf(":"));
}

// eslint-disable-next-line @typescript-eslint/require-await -- a generator that has ended already
async function* nothing(): AsyncGenerator<StoredEvent> {
  return;
}
