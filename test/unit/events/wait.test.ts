// A long poll, against a log in memory whose every step the test decides.
import { describe, expect, test } from "@jest/globals";
import type { NoticeListener, Notices } from "../../../src/events/notices.ts";
import type { BatchReader, StoredEvent } from "../../../src/events/read.ts";
import { createWaits } from "../../../src/events/wait.ts";

function createLog() {
  const events: StoredEvent[] = [];
  const listeners = new Set<NoticeListener>();
  let isAway = false;
  let firstSequence = 1;
  const { promise: reading, resolve: isReading } = Promise.withResolvers<void>();
  function assertThere(): void {
    if (isAway) throw Object.assign(new Error("away"), { code: "ECONNREFUSED" });
  }
  const reader: BatchReader = {
    async position() {
      assertThere();
      if (events.length === 0) return undefined;
      return { streamId: "stream", firstSequence, lastSequence: events.length };
    },
    async readBatch(_streamId, after) {
      assertThere();
      isReading();
      const found = events.filter(({ sequence }) => sequence > after);
      return { events: found.slice(0, 200), isFull: found.length >= 200 };
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
  return {
    waits: createWaits(reader, notices),
    append: (count = 1) => {
      for (let left = count; left > 0; left -= 1) {
        events.push({ sequence: events.length + 1, at: new Date(), type: "x", payload: null });
      }
      for (const listener of listeners) {
        listener({ topic: "stream:key", sequence: events.length, subjects: [] });
      }
    },
    expireBefore: (sequence: number) => {
      firstSequence = sequence;
    },
    goAway: () => {
      isAway = true;
    },
    /** Resolves at the first read. */
    reading,
    waiters: () => listeners.size,
  };
}

const never = new AbortController().signal;
const long = { timeoutMs: 300_000, signal: never };
const numbers = (events: readonly StoredEvent[]) => events.map(({ sequence }) => sequence);

describe("a wait", () => {
  test("answers at once with what is stored after the sequence", async () => {
    const { waits, append, waiters } = createLog();
    append(3);
    expect(numbers(await waits.wait("key", { ...long, after: 1 }))).toEqual([2, 3]);
    expect(waiters()).toBe(0);
  });

  test("answers with a batch at most", async () => {
    const { waits, append } = createLog();
    append(450);
    const [first, last] = [200, 400].map((after) => waits.wait("key", { ...long, after }));
    expect(await first).toHaveLength(200);
    expect(await last).toHaveLength(50);
  });

  test("answers as soon as there is something", async () => {
    const { waits, append, reading, waiters } = createLog();
    append();
    const waited = waits.wait("key", { ...long, after: 1 });
    await reading;
    expect(waiters()).toBe(1);
    append();
    expect(numbers(await waited)).toEqual([2]);
    expect(waiters()).toBe(0);
  });

  test("waits for a stream that doesn't exist yet", async () => {
    const { waits, append } = createLog();
    const waited = waits.wait("key", { ...long, after: 0 });
    append();
    expect(numbers(await waited)).toEqual([1]);
  });

  test("answers with nothing when the time is over", async () => {
    const { waits, waiters } = createLog();
    expect(await waits.wait("key", { after: 0, timeoutMs: 20, signal: never })).toEqual([]);
    expect(waiters()).toBe(0);
  });

  test("ends when its caller is gone, and leaves nothing behind", async () => {
    const { waits, append, reading, waiters } = createLog();
    append();
    const client = new AbortController();
    const waited = waits.wait("key", { after: 1, timeoutMs: 300_000, signal: client.signal });
    await reading;
    client.abort();
    expect(await waited).toEqual([]);
    expect(waiters()).toBe(0);
  });

  test("ends at the stop, as does each that comes later, with what is there", async () => {
    const { waits, append, reading } = createLog();
    append();
    const waited = waits.wait("key", { ...long, after: 1 });
    await reading;
    waits.end();
    expect(await waited).toEqual([]);
    expect(await waits.wait("key", { ...long, after: 1 })).toEqual([]);
    expect(numbers(await waits.wait("key", { ...long, after: 0 }))).toEqual([1]);
  });

  test("refuses what a subscription refuses", async () => {
    const { waits, append, expireBefore, waiters } = createLog();
    append(5);
    expireBefore(4);
    const codes = [-1, 6, 1].map((after) =>
      waits.wait("key", { ...long, after }).then(
        () => "none",
        (error: unknown) => (error as { code: string }).code,
      ),
    );
    expect(await Promise.all(codes)).toEqual(["BAD_INPUT", "CURSOR_AHEAD", "EVENTS_EXPIRED"]);
    expect(waiters()).toBe(0);
  });

  test("tells of an outage that lasted until its end", async () => {
    const { waits, append, goAway } = createLog();
    append();
    goAway();
    await expect(waits.wait("key", { after: 1, timeoutMs: 50, signal: never })).rejects.toThrow(
      "away",
    );
  });
});
