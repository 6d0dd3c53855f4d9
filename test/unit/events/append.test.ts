import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { connectDatabase, type DatabaseConnection } from "../../../src/database/client.ts";
import { appendEvents } from "../../../src/events/append.ts";
import { createEventReader } from "../../../src/events/read.ts";
import { createDatabase, type TestDatabase } from "../../support/postgres.ts";

let database: TestDatabase;
let connection: DatabaseConnection;

beforeAll(async () => {
  database = await createDatabase();
  connection = connectDatabase(database.url, () => {});
});

afterAll(async () => {
  await connection.close();
  await database.drop();
});

async function createStreams(...keys: string[]): Promise<string[]> {
  const rows = await Promise.all(
    keys.map((key) => connection.prisma.stream.create({ data: { key } })),
  );
  return rows.map(({ id }) => id);
}

function append(streamIds: readonly string[], types: readonly string[]): Promise<void> {
  return connection.prisma.$transaction((transaction) =>
    appendEvents(
      transaction,
      streamIds.map((streamId) => ({
        streamId,
        events: types.map((type) => ({ type, payload: { type } })),
      })),
    ),
  );
}

async function read(key: string, after = 0, limit = 1000) {
  const reader = createEventReader(connection.pool);
  const position = await reader.position(key);
  const events = await reader.read(position!.streamId, after, limit);
  return { position, events, found: events.map(({ sequence, type }) => [sequence, type]) };
}

test("events are numbered from 1, in the order in which they are given", async () => {
  const [stream] = await createStreams("order");
  await append([stream!], ["a", "b"]);
  await append([stream!], ["c"]);
  const { position, found, events } = await read("order");
  expect(found).toEqual([
    [1, "a"],
    [2, "b"],
    [3, "c"],
  ]);
  expect(position).toMatchObject({ firstSequence: 1, lastSequence: 3 });
  expect(events[0]).toMatchObject({ at: expect.any(Date), payload: { type: "a" } });
  expect((await read("order", 1, 1)).found).toEqual([[2, "b"]]);
});

test("transactions that share streams in any order don't wait for each other for ever", async () => {
  const [one, two] = await createStreams("shared-1", "shared-2");
  const rounds = Array.from({ length: 40 }, (_, round) =>
    append(round % 2 === 0 ? [one!, two!] : [two!, one!], [String(round)]),
  );
  await Promise.all(rounds);
  for (const key of ["shared-1", "shared-2"]) {
    const { found } = await read(key);
    expect(found.map(([sequence]) => sequence)).toEqual(found.map((_, index) => index + 1));
    expect(found).toHaveLength(40);
  }
});

test("a transaction that fails leaves nothing behind, and no hole", async () => {
  const [stream] = await createStreams("failed");
  await expect(
    connection.prisma.$transaction(async (transaction) => {
      await appendEvents(transaction, [
        { streamId: stream!, events: [{ type: "never", payload: {} }] },
      ]);
      throw new Error("on the way");
    }),
  ).rejects.toThrow("on the way");
  await append([stream!], ["first"]);
  expect((await read("failed")).found).toEqual([[1, "first"]]);
});

test("a stream that doesn't exist is an error, not a lost event", async () => {
  await expect(append(["00000000-0000-7000-8000-000000000000"], ["x"])).rejects.toThrow(
    "there is no stream",
  );
});

test("equal reads at the same time are one statement", async () => {
  const [stream] = await createStreams("reads");
  await append([stream!], ["a"]);
  const query = jest.spyOn(connection.pool, "query");
  const reader = createEventReader(connection.pool);
  const answers = await Promise.all(
    Array.from({ length: 500 }, () => reader.readBatch(stream!, 0)),
  );
  expect(query).toHaveBeenCalledTimes(1);
  expect(new Set(answers).size).toBe(1);
  await reader.readBatch(stream!, 0);
  expect(query).toHaveBeenCalledTimes(2);
  query.mockRestore();
});

test("a batch ends with the event that fills it, by its number or by its bytes", async () => {
  const [many, large] = await createStreams("many", "large");
  await append(
    [many!],
    Array.from({ length: 201 }, () => "a"),
  );
  await append([large!], ["b".repeat(600_000), "c".repeat(600_000), "d"]);
  const reader = createEventReader(connection.pool);
  const readBatch = async (stream: string, after: number) => {
    const { events, isFull } = await reader.readBatch(stream, after);
    return { sequences: events.map(({ sequence }) => sequence), isFull };
  };
  expect(await readBatch(many!, 0)).toEqual({
    sequences: Array.from({ length: 200 }, (_, index) => index + 1),
    isFull: true,
  });
  expect(await readBatch(many!, 200)).toEqual({ sequences: [201], isFull: false });
  // Each payload of this test holds its event's type.
  expect(await readBatch(large!, 0)).toEqual({ sequences: [1, 2], isFull: true });
  expect(await readBatch(large!, 2)).toEqual({ sequences: [3], isFull: false });
  expect(await readBatch(large!, 3)).toEqual({ sequences: [], isFull: false });
});

test("many streams read at once are few statements, and each gets its own", async () => {
  const streams = await createStreams(
    ...Array.from({ length: 200 }, (_, index) => `at-once-${String(index)}`),
  );
  await Promise.all(streams.map((stream, index) => append([stream], [`type ${String(index)}`])));
  const query = jest.spyOn(connection.pool, "query");
  const reader = createEventReader(connection.pool);
  const batches = await Promise.all([
    ...streams.map((stream) => reader.readBatch(stream, 0)),
    ...streams.map((stream) => reader.readBatch(stream, 0)),
  ]);
  expect(query.mock.calls.length).toBeLessThan(20);
  query.mockRestore();
  const types = streams.map((_, index) => [`type ${String(index)}`]);
  expect(batches.map(({ events }) => events.map(({ type }) => type))).toEqual([...types, ...types]);
});

test("a read that is asked for while an equal one is under way sees what was committed meanwhile", async () => {
  const [stream] = await createStreams("meanwhile");
  const reader = createEventReader(connection.pool);
  // The answer of a statement that began before the commit.
  const early = Promise.withResolvers<{ rows: [] }>();
  const query = jest.spyOn(connection.pool, "query");
  const sent = new Promise<void>((resolve) => {
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- of its overloads the spy knows the one with a callback
    query.mockImplementationOnce(() => {
      resolve();
      return early.promise;
    });
  });
  const first = reader.readBatch(stream!, 0);
  await sent;
  query.mockRestore();
  await append([stream!], ["a"]);
  const second = reader.readBatch(stream!, 0);
  early.resolve({ rows: [] });
  expect((await first).events).toHaveLength(0);
  expect((await second).events).toHaveLength(1);
});

test("a failed statement fails those that it was for, and the next ones are read", async () => {
  const [stream] = await createStreams("after-failure");
  await append([stream!], ["a"]);
  const reader = createEventReader(connection.pool);
  const query = jest.spyOn(connection.pool, "query");
  query.mockImplementationOnce(() => {
    throw new Error("away");
  });
  await expect(reader.readBatch(stream!, 0)).rejects.toThrow("away");
  query.mockRestore();
  expect((await reader.readBatch(stream!, 0)).events).toHaveLength(1);
});
