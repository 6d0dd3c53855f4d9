import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { pino } from "pino";
import {
  connectDatabase,
  type Database,
  type DatabaseConnection,
} from "../../../src/database/client.ts";
import { startQueue, type WorkQueue } from "../../../src/queue/queue.ts";
import { createDatabase, type TestDatabase } from "../../support/postgres.ts";

let database: TestDatabase;
let connection: DatabaseConnection;
let queue: WorkQueue;

beforeAll(async () => {
  database = await createDatabase();
  connection = connectDatabase(database.url, () => {});
  queue = await startQueue(database.url, pino({ level: "silent" }));
});

afterAll(async () => {
  await queue.stop();
  await connection.close();
  await database.drop();
});

beforeEach(async () => {
  while ((await take()) !== undefined);
});

function within<T>(act: (transaction: Database) => Promise<T>): Promise<T> {
  return connection.prisma.$transaction(act);
}

async function send(group = "any", priority = 0): Promise<string> {
  const sessionId = randomUUID();
  await within((transaction) => queue.send(transaction, { sessionId, priority, group }));
  return sessionId;
}

function take(...exceptGroups: string[]): Promise<string | undefined> {
  return within(async (transaction) => (await queue.take(transaction, exceptGroups))?.sessionId);
}

const giveUp = new Error("given up");

describe("sending", () => {
  test("is seen by nobody before the commit", async () => {
    const sessionId = randomUUID();
    await within(async (transaction) => {
      await queue.send(transaction, { sessionId, priority: 0, group: "any" });
      expect(await take()).toBeUndefined();
    });
    expect(await take()).toBe(sessionId);
  });

  test("is undone with its transaction", async () => {
    const sent = within(async (transaction) => {
      await queue.send(transaction, { sessionId: randomUUID(), priority: 0, group: "any" });
      throw giveUp;
    });
    await expect(sent).rejects.toBe(giveUp);
    expect(await take()).toBeUndefined();
  });
});

describe("taking", () => {
  test("is first come, first served, and each session comes once", async () => {
    const sent = [];
    for (let count = 0; count < 20; count += 1) sent.push(await send(`group ${String(count)}`));
    const taken = [];
    for (let count = 0; count < 21; count += 1) taken.push(await take());
    expect(taken).toEqual([...sent, undefined]);
  });

  test("gives higher priorities first, also against negative ones", async () => {
    const sent = new Map<number, string>();
    for (const priority of [0, -5, 7, 3]) sent.set(priority, await send("any", priority));
    const taken = [await take(), await take(), await take(), await take()];
    expect(taken).toEqual([7, 3, 0, -5].map((priority) => sent.get(priority)));
  });

  test("passes over the groups that wait, and leaves their sessions where they were", async () => {
    const [a1, b1, a2, c1] = [await send("a"), await send("b"), await send("a"), await send("c")];
    expect(await take("a")).toBe(b1);
    expect(await take("a", "c")).toBeUndefined();
    expect([await take(), await take(), await take()]).toEqual([a1, a2, c1]);
  });

  test("that is rolled back gives the session back at once, in its place", async () => {
    const [first, second] = [await send(), await send()];
    const taken = within(async (transaction) => {
      expect((await queue.take(transaction, []))?.sessionId).toBe(first);
      throw giveUp;
    });
    await expect(taken).rejects.toBe(giveUp);
    expect([await take(), await take(), await take()]).toEqual([first, second, undefined]);
  });

  test("by several at the same time gives each session to one of them", async () => {
    const sent = [];
    for (let count = 0; count < 10; count += 1) sent.push(await send(`group ${String(count)}`));
    const taken = await Promise.all(Array.from({ length: 15 }, () => take()));
    const found = taken.filter((id) => id !== undefined);
    expect(found).toHaveLength(new Set(found).size);
    // Who met a session that another one was taking may have gone away empty-handed.
    for (let id = await take(); id !== undefined; id = await take()) found.push(id);
    expect(found.toSorted()).toEqual(sent.toSorted());
  });
});

describe("removing", () => {
  test("takes a session out of the line", async () => {
    const [first, second] = [await send(), await send()];
    await within((transaction) => queue.remove(transaction, first));
    expect([await take(), await take()]).toEqual([second, undefined]);
  });

  test("is undone with its transaction", async () => {
    const sessionId = await send();
    const removed = within(async (transaction) => {
      await queue.remove(transaction, sessionId);
      throw giveUp;
    });
    await expect(removed).rejects.toBe(giveUp);
    expect(await take()).toBe(sessionId);
  });

  test("one that isn't in the line is no error", async () => {
    await within((transaction) => queue.remove(transaction, randomUUID()));
  });
});

test("a second server may start its queue on the same database", async () => {
  const other = await startQueue(database.url, pino({ level: "silent" }));
  try {
    const sessionId = await send();
    const taken = await within((transaction) => other.take(transaction, []));
    expect(taken).toEqual({ sessionId, waitedMs: expect.any(Number) });
    await other.check();
  } finally {
    await other.stop();
  }
});
