// What a stream does with readers that are slow, stop reading, or leave.
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { FactoryError } from "../../../src/errors.ts";
import {
  createEventStreams,
  type EventStreams,
  type ServerSentEvent,
} from "../../../src/rest/event-stream.ts";

const keepAliveMs = 1_000;
let streams: EventStreams;
let cuts: number;

beforeEach(() => {
  jest.useFakeTimers();
  cuts = 0;
  streams = createEventStreams({
    keepAliveMs,
    mask: (error) =>
      error instanceof FactoryError ? error : { code: "INTERNAL", message: "masked" },
  });
});

afterEach(() => {
  expect(jest.getTimerCount()).toBe(0);
  jest.useRealTimers();
});

interface Source extends AsyncGenerator<ServerSentEvent> {
  read: number;
  isEnded: boolean;
}

/** Tells how many events were taken of it. */
function source(events: Iterable<ServerSentEvent>, last?: Promise<never>): Source {
  const items = events[Symbol.iterator]();
  const made: Source = {
    read: 0,
    isEnded: false,
    async next() {
      const { done, value } = items.next() as IteratorResult<ServerSentEvent, undefined>;
      if (done !== true) {
        made.read += 1;
        return { done: false, value };
      }
      await last;
      return { done: true, value: undefined };
    },
    async return() {
      made.isEnded = true;
      return { done: true, value: undefined };
    },
    throw: (error) => Promise.reject(error as Error),
    [Symbol.asyncIterator]: () => made,
    async [Symbol.asyncDispose]() {
      await made.return(undefined);
    },
  };
  return made;
}

function numbered(count: number): ServerSentEvent[] {
  return Array.from({ length: count }, (_, index) => ({ id: index + 1, data: { n: index + 1 } }));
}

function open(events: Source) {
  const response = streams.open(events, () => {
    cuts += 1;
  });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const read = async () => (await reader.read()).value;
  return { response, reader, read };
}

const never = new Promise<never>(() => undefined);

test("each event is told with its id, and the stream ends with its source", async () => {
  const events = source(numbered(2));
  const { response, read } = open(events);
  expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  expect(await read()).toBe(": ok\n\n");
  expect(await read()).toBe('id: 1\ndata: {"n":1}\n\n');
  expect(await read()).toBe('id: 2\ndata: {"n":2}\n\n');
  expect(await read()).toBeUndefined();
  expect(events.isEnded).toBe(true);
});

test("while nothing happens a comment keeps the connection alive", async () => {
  const { read, reader } = open(source([], never));
  expect(await read()).toBe(": ok\n\n");
  for (let count = 0; count < 3; count += 1) {
    const next = read();
    await jest.advanceTimersByTimeAsync(keepAliveMs);
    expect(await next).toBe(": keep-alive\n\n");
  }
  await reader.cancel();
});

describe("a reader that doesn't read", () => {
  test("holds its source back, and nothing piles up", async () => {
    const events = source(numbered(1_000), never);
    const response = streams.open(events, () => undefined);
    await jest.advanceTimersByTimeAsync(3 * keepAliveMs);
    expect(events.read).toBe(0);
    const reader = response.body!.getReader();
    await reader.read();
    await reader.read();
    await jest.advanceTimersByTimeAsync(0);
    expect(events.read).toBeLessThan(3);
    await reader.cancel();
    expect(events.isEnded).toBe(true);
  });

  test("is cut off after a while, and its source is free", async () => {
    const events = source(numbered(1_000), never);
    streams.open(events, () => {
      cuts += 1;
    });
    await jest.advanceTimersByTimeAsync(3 * keepAliveMs);
    expect([cuts, events.isEnded]).toEqual([0, false]);
    await jest.advanceTimersByTimeAsync(keepAliveMs);
    expect([cuts, events.isEnded]).toEqual([1, true]);
    await jest.advanceTimersByTimeAsync(100 * keepAliveMs);
    expect(cuts).toBe(1);
  });

  test("and goes on in time is not cut off", async () => {
    const { read, reader } = open(source([], never));
    for (let count = 0; count < 20; count += 1) {
      await jest.advanceTimersByTimeAsync(3 * keepAliveMs);
      await read();
      await read();
    }
    expect(cuts).toBe(0);
    await reader.cancel();
  });
});

test("a failure in the middle is the last event, and a bug is masked", async () => {
  const failed = source(numbered(1), rejecting(new FactoryError("EVENTS_EXPIRED", "too old")));
  const one = open(failed);
  expect([await one.read(), await one.read()]).toEqual([": ok\n\n", 'id: 1\ndata: {"n":1}\n\n']);
  expect(await one.read()).toBe(
    'event: error\ndata: {"error":{"code":"EVENTS_EXPIRED","message":"too old"}}\n\n',
  );
  expect(await one.read()).toBeUndefined();
  expect(failed.isEnded).toBe(true);

  const bug = open(source([], rejecting(new Error("secret"))));
  await bug.read();
  expect(await bug.read()).toContain("masked");
  expect(await bug.read()).toBeUndefined();
});

function rejecting(error: Error): Promise<never> {
  const promise = Promise.reject(error);
  promise.catch(() => undefined);
  return promise;
}

test("a server that stops ends them all, and opens no more", async () => {
  const sources = [source([], never), source(numbered(5), never)];
  const opened = sources.map(open);
  for (const { read } of opened) await read();
  const last = opened[0]!.read();
  streams.close();
  expect(await last).toBeUndefined();
  expect(sources.map(({ isEnded }) => isEnded)).toEqual([true, true]);
  const late = source([], never);
  expect(() => streams.open(late, () => undefined)).toThrow(
    expect.objectContaining({ code: "SERVICE_UNAVAILABLE" }),
  );
  expect(late.isEnded).toBe(true);
});

test("there may be 10,000 of them", async () => {
  const opened = Array.from({ length: 10_000 }, () =>
    streams.open(source([], never), () => undefined),
  );
  const one = source([], never);
  expect(() => streams.open(one, () => undefined)).toThrow(
    expect.objectContaining({ code: "LIMIT_EXCEEDED" }),
  );
  expect(one.isEnded).toBe(true);
  await opened[0]!.body!.cancel();
  streams.open(source([], never), () => undefined);
  streams.close();
});
