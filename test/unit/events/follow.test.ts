// The loop of a subscription, against a log in memory whose every step the test decides.
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { createEventLog } from "../../../src/events/follow.ts";
import type { NoticeListener, Notices } from "../../../src/events/notices.ts";
import type { BatchReader, StoredEvent } from "../../../src/events/read.ts";

const mostInBatch = 200;

function createLog() {
  const events: StoredEvent[] = [];
  const listeners = new Set<NoticeListener>();
  let firstSequence = 1;
  let onPosition: () => void = () => {};
  let onRead: () => void = () => {};
  let reads = 0;
  let failure: Error | undefined;
  const reader: BatchReader = {
    async position() {
      const found = {
        streamId: "stream",
        firstSequence,
        lastSequence: events.length,
      };
      onPosition();
      return events.length === 0 ? undefined : found;
    },
    async readBatch(_streamId, after) {
      reads += 1;
      if (failure !== undefined) throw failure;
      const found = events.filter(({ sequence }) => sequence > after && sequence >= firstSequence);
      onRead();
      return { events: found.slice(0, mostInBatch), isFull: found.length >= mostInBatch };
    },
  };
  const notices: Notices = {
    watch(_topic, listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    tell: () => {},
    start: async () => {},
    close: async () => {},
  };
  function appendSilently(): void {
    events.push({ sequence: events.length + 1, at: new Date(), type: "x", payload: null });
  }
  function repeat(sequence: number): void {
    for (const listener of listeners) listener({ topic: "stream:key", sequence, subjects: [] });
  }
  function append(): void {
    appendSilently();
    repeat(events.length);
  }
  return {
    log: createEventLog(reader, notices),
    append,
    appendSilently,
    watchers: () => listeners.size,
    reads: () => reads,
    /** Reading fails so from now on; undefined: it succeeds. */
    fail: (error: Error | undefined) => {
      failure = error;
    },
    /** A notice may have been lost. */
    wake: () => {
      for (const listener of listeners) listener(undefined);
    },
    expire: (first: number) => {
      firstSequence = first;
    },
    onNextPosition: (act: () => void) => {
      onPosition = () => {
        onPosition = () => {};
        act();
      };
    },
    onNextRead: (act: () => void) => {
      onRead = () => {
        onRead = () => {};
        act();
      };
    },
  };
}

async function take(source: AsyncGenerator<StoredEvent>, count: number): Promise<number[]> {
  const sequences = [];
  for (let taken = 0; taken < count; taken += 1) {
    const { value, done } = await source.next();
    if (done === true) break;
    sequences.push(value.sequence);
  }
  return sequences;
}

describe("nothing is missed", () => {
  test("of what is appended while the cursor is read", async () => {
    const { log, append, onNextPosition } = createLog();
    append();
    onNextPosition(append);
    const source = await log.follow("key", {});
    expect(await take(source, 1)).toEqual([2]);
    await source.return(undefined);
  });

  test("of what is appended while a batch is read", async () => {
    const { log, append, onNextRead } = createLog();
    append();
    const source = await log.follow("key", { after: 0 });
    onNextRead(append);
    expect(await take(source, 2)).toEqual([1, 2]);
    await source.return(undefined);
  });

  test("of what is appended while the subscriber is slow", async () => {
    const { log, append } = createLog();
    append();
    const source = await log.follow("key", { after: 0 });
    expect(await take(source, 1)).toEqual([1]);
    append();
    append();
    expect(await take(source, 2)).toEqual([2, 3]);
    await source.return(undefined);
  });

  test("of more than one batch", async () => {
    const { log, append } = createLog();
    for (let count = 0; count < 450; count += 1) append();
    const source = await log.follow("key", { after: 0 });
    expect(await take(source, 450)).toEqual(Array.from({ length: 450 }, (_, index) => index + 1));
    await source.return(undefined);
  });

  test("of a stream that doesn't exist yet", async () => {
    const { log, append } = createLog();
    const source = await log.follow("key", {});
    const first = take(source, 1);
    append();
    expect(await first).toEqual([1]);
    await source.return(undefined);
  });

  test("of an event whose notice was lost, once the notices say that one may be", async () => {
    const { log, append, appendSilently, wake, reads } = createLog();
    append();
    const source = await log.follow("key", { after: 1 });
    const next = take(source, 1);
    await until(() => reads() === 1);
    appendSilently();
    wake();
    expect(await next).toEqual([2]);
    await source.return(undefined);
  });

  test("of an event whose notice was lost, after a while in any case", async () => {
    jest.useFakeTimers();
    try {
      const { log, append, appendSilently } = createLog();
      append();
      const source = await log.follow("key", { after: 1 });
      const next = take(source, 1);
      await jest.advanceTimersByTimeAsync(1);
      appendSilently();
      await jest.advanceTimersByTimeAsync(5_000);
      expect(await next).toEqual([2]);
      await source.return(undefined);
    } finally {
      jest.useRealTimers();
    }
  });
});

/** Lets what is under way go on until the condition holds. */
async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000 && !holds(); turn += 1) await new Promise(setImmediate);
  expect(holds()).toBe(true);
}

describe("leaving", () => {
  test("ends it at once, also while it waits, and nothing of it stays", async () => {
    const { log, watchers } = createLog();
    const sources = await Promise.all(
      Array.from({ length: 500 }, () => log.follow("key", { after: 0 })),
    );
    const waiting = sources.map((source) => source.next());
    expect(watchers()).toBe(500);
    await Promise.all(sources.map((source) => source.return(undefined)));
    expect(watchers()).toBe(0);
    expect(await Promise.all(waiting)).toEqual(Array(500).fill({ done: true, value: undefined }));
  });

  test("before the first event was asked for leaves nothing either", async () => {
    const { log, watchers } = createLog();
    const source = await log.follow("key", { after: 0 });
    await source.return(undefined);
    expect(watchers()).toBe(0);
  });

  test("a refused subscription watches nothing", async () => {
    const { log, watchers } = createLog();
    await expect(log.follow("key", { after: 1 })).rejects.toThrow("last sequence is 0");
    expect(watchers()).toBe(0);
  });
});

describe("the end", () => {
  test("comes after the event that is the last", async () => {
    const { log, append, watchers } = createLog();
    append();
    append();
    const source = await log.follow("key", { after: 0, isLast: ({ sequence }) => sequence === 2 });
    expect(await take(source, 5)).toEqual([1, 2]);
    expect(watchers()).toBe(0);
  });

  test("comes at once where all is over and nothing is left to replay", async () => {
    const { log, append, watchers } = createLog();
    append();
    const isOver = jest.fn(async () => true);
    const source = await log.follow("key", { isOver });
    expect(await take(source, 1)).toEqual([]);
    expect(watchers()).toBe(0);
    const replayed = await log.follow("key", { after: 0, isOver });
    expect(await take(replayed, 1)).toEqual([1]);
    await replayed.return(undefined);
    // Asked once: the one that replays meets its last event.
    expect(isOver).toHaveBeenCalledTimes(1);
  });

  test("doesn't come before what is appended while that is asked", async () => {
    const { log, append } = createLog();
    append();
    const source = await log.follow("key", {
      isLast: ({ sequence }) => sequence === 2,
      async isOver() {
        append();
        return true;
      },
    });
    expect(await take(source, 5)).toEqual([2]);
  });
});

test("what is removed before a slow subscriber came to it is EVENTS_EXPIRED, not skipped", async () => {
  const { log, append, expire, watchers } = createLog();
  append();
  const source = await log.follow("key", { after: 0 });
  expect(await take(source, 1)).toEqual([1]);
  append();
  append();
  append();
  expire(4);
  await expect(source.next()).rejects.toMatchObject({
    code: "EVENTS_EXPIRED",
    facts: { firstSequence: 4 },
  });
  expect(watchers()).toBe(0);
});

describe("an outage of the database", () => {
  const outage = () => Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });

  beforeEach(() => {
    jest.useFakeTimers();
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  test("delays a subscription, which then goes on where it was", async () => {
    const { log, append, fail, reads } = createLog();
    append();
    const source = await log.follow("key", { after: 0 });
    expect(await take(source, 1)).toEqual([1]);
    fail(outage());
    append();
    append();
    const next = take(source, 2);
    await jest.advanceTimersByTimeAsync(20_000);
    expect(reads()).toBeGreaterThan(4);
    expect(reads()).toBeLessThan(20);
    fail(undefined);
    await jest.advanceTimersByTimeAsync(10_000);
    expect(await next).toEqual([2, 3]);
    await source.return(undefined);
  });

  test("that lasts ends it with the failure", async () => {
    const { log, append, fail, watchers } = createLog();
    append();
    const source = await log.follow("key", { after: 0 });
    fail(outage());
    const next = expect(source.next()).rejects.toThrow("ECONNREFUSED");
    await jest.advanceTimersByTimeAsync(40_000);
    await next;
    expect(watchers()).toBe(0);
  });

  test("doesn't keep who leaves meanwhile, and another failure is told at once", async () => {
    const { log, append, fail, watchers } = createLog();
    append();
    const left = await log.follow("key", { after: 0 });
    fail(outage());
    const waiting = left.next().catch(() => "ended");
    await jest.advanceTimersByTimeAsync(1_000);
    await left.return(undefined).catch(() => undefined);
    await waiting;
    expect(watchers()).toBe(0);
    fail(new Error("permission denied"));
    const other = await log.follow("key", { after: 0 });
    await expect(other.next()).rejects.toThrow("permission denied");
  });
});
