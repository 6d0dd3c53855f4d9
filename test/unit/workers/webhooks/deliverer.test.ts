// Deliveries to a real receiver, from real rows; the servers are deliverers of this process.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { pino } from "pino";
import { connectDatabase, type DatabaseConnection } from "../../../../src/database/client.ts";
import { appendEvents } from "../../../../src/events/append.ts";
import { createEventLog } from "../../../../src/events/follow.ts";
import { createNotices, type Notices } from "../../../../src/events/notices.ts";
import { createEventReader, type EventReader } from "../../../../src/events/read.ts";
import { startQueue, type WorkQueue } from "../../../../src/queue/queue.ts";
import { createSealer } from "../../../../src/seal.ts";
import { createParentService, type ParentService } from "../../../../src/workers/parents.ts";
import { startDeliverer, type Deliverer } from "../../../../src/workers/webhooks/deliverer.ts";
import { createDatabase, type TestDatabase } from "../../../support/postgres.ts";
import {
  isSignedWith,
  sequences,
  startReceiver,
  status,
  type Receiver,
} from "../../../support/receiver.ts";
import { eventually } from "../../../support/workers.ts";
import { createSession } from "../rows.ts";

const logger = pino({ level: "silent" });
const sealer = createSealer("the operator's token", "webhooks");
let database: TestDatabase;
let connection: DatabaseConnection;
let queue: WorkQueue;
let notices: Notices;
let reader: EventReader;
let parents: ParentService;
let receiver: Receiver;
const deliverers: Deliverer[] = [];

beforeAll(async () => {
  database = await createDatabase();
  connection = connectDatabase(database.url, () => {});
  const { prisma, pool } = connection;
  queue = await startQueue(database.url, logger);
  notices = createNotices(database.url, logger);
  await notices.start();
  reader = createEventReader(pool);
  const events = createEventLog(reader, notices);
  parents = createParentService({ prisma, pool, events, queue, sealer });
});

beforeEach(async () => {
  receiver = await startReceiver();
});

afterEach(async () => {
  await Promise.all(deliverers.splice(0).map((deliverer) => deliverer.stop()));
  await connection.prisma.parentWebhook.deleteMany();
  await receiver.close();
});

afterAll(async () => {
  await notices.close();
  await queue.stop();
  await connection.close();
  await database.drop();
});

function startServer(token = "the operator's token"): Deliverer {
  const { prisma } = connection;
  const own = createSealer(token, "webhooks");
  const deliverer = startDeliverer({ prisma, queue, notices, reader, sealer: own, logger });
  deliverers.push(deliverer);
  return deliverer;
}

/** A parent with a worker, and a way to make changes of it. */
async function prepare(secret: string | undefined = "a secret", url = receiver.url) {
  const { prisma } = connection;
  const { session } = await createSession(connection, "RUNNING");
  const parent = await prisma.parentSession.findUniqueOrThrow({
    where: { id: session.parentSessionId },
  });
  await parents.setWebhook(parent.name, { url, secret });
  return {
    id: parent.id,
    name: parent.name,
    session,
    change: (...reports: string[]) =>
      prisma.$transaction((transaction) =>
        appendEvents(transaction, [
          {
            streamId: parent.streamId,
            events: reports.map((report) => ({
              type: "worker",
              payload: {
                workerId: session.id,
                previousStatus: "RUNNING",
                status: "RUNNING",
                reason: null,
                report,
                outcome: null,
              },
            })),
          },
        ]),
      ),
    row: () => prisma.parentWebhook.findUnique({ where: { parentSessionId: parent.id } }),
  };
}

const range = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

describe("a delivery", () => {
  test("is the change as JSON, signed over its time and its body", async () => {
    startServer();
    const { name, session, change } = await prepare("a secret");
    await change("done: 3 of 5 ☃");
    await receiver.until(({ length }) => length === 1);
    const [one] = receiver.received;
    expect(one?.body).toMatchObject({
      parentSession: name,
      sequence: 1,
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      previousStatus: "RUNNING",
      status: "RUNNING",
      reason: null,
      report: "done: 3 of 5 ☃",
      outcome: null,
      permission: null,
      worker: {
        id: Buffer.from(`WorkerSession:${session.id}`).toString("base64"),
        name: `worker-${String(session.number)}`,
        branch: "work",
        agent: "shell",
        status: "RUNNING",
        statusReason: null,
        summary: null,
        usage: null,
      },
    });
    expect(one?.headers["content-type"]).toBe("application/json");
    expect(Math.abs(Date.now() / 1000 - Number(one?.headers["x-factory-timestamp"]))).toBeLessThan(
      60,
    );
    expect(isSignedWith("a secret", one!)).toBe(true);
    expect(isSignedWith("another", one!)).toBe(false);
  });

  test("has no signature where no secret was set", async () => {
    startServer();
    const { change, name } = await prepare("once");
    await parents.setWebhook(name, { url: receiver.url, secret: undefined });
    await change("x");
    await receiver.until(({ length }) => length === 1);
    expect(receiver.received[0]?.headers).not.toHaveProperty("x-factory-signature");
  });

  test("that fails is tried again under the same id, and those after it wait their turn", async () => {
    startServer();
    let tries = 0;
    receiver.answer((response) => {
      tries += 1;
      response.writeHead(tries <= 2 ? 500 : 200).end("oh\u001b[31m no");
    });
    const { change, row } = await prepare();
    await change("one", "two", "three");
    await eventually(async () => (await row())?.failures === 1);
    expect(await row()).toMatchObject({
      deliveredSequence: 0,
      error: "it answered 500: oh [31m no",
      failingSince: expect.any(Date),
    });
    await receiver.until(({ length }) => length === 5);
    expect(sequences(receiver.received)).toEqual([1, 1, 1, 2, 3]);
    const ids = receiver.received.map(({ headers }) => headers["x-factory-delivery"]);
    expect(new Set(ids.slice(0, 3)).size).toBe(1);
    expect(new Set(ids).size).toBe(3);
    await eventually(async () => (await row())?.deliveredSequence === 3);
    expect(await row()).toMatchObject({ failures: 0, error: null, failingSince: null });
  });

  test("to an address that redirects is none, and goes nowhere else", async () => {
    startServer();
    const elsewhere = await startReceiver();
    receiver.answer(status(307, { location: elsewhere.url }));
    const { change, row } = await prepare();
    await change("x");
    await eventually(async () => (await row())?.failures === 1);
    expect((await row())?.error).toContain("redirects are not followed");
    expect(elsewhere.received).toEqual([]);
    await elsewhere.close();
  });

  test("that hangs is given up after 10 s, and holds up nobody else meanwhile", async () => {
    startServer();
    receiver.answer(() => {});
    const other = await startReceiver();
    const hangs = await prepare();
    const healthy = await prepare("a secret", other.url);
    await hangs.change("never heard");
    await receiver.until(({ length }) => length === 1);
    await healthy.change("one");
    await healthy.change("two");
    await other.until(({ length }) => length === 2);
    expect(await hangs.row()).toMatchObject({ failures: 0 });
    await eventually(async () => (await hangs.row())?.failures === 1);
    expect((await hangs.row())?.error).toBe("no answer within 10 s");
    await other.close();
  });

  test("counts once its status is there, whatever its body does", async () => {
    startServer();
    receiver.answer((response) => {
      response.writeHead(200);
      for (let part = 0; part < 64; part += 1) response.write("x".repeat(1024));
    });
    const { change } = await prepare();
    await change("one", "two");
    await receiver.until(({ length }) => length === 2);
    expect(sequences(receiver.received)).toEqual([1, 2]);
  });
});

describe("nothing is lost", () => {
  test("of what happened while no server ran, or was missed by a receiver that was down", async () => {
    const { change, row } = await prepare();
    await change(...range(30).map(String));
    await receiver.close();
    startServer();
    await eventually(async () => ((await row())?.failures ?? 0) > 0);
    expect((await row())?.error).toBe("it can't be reached: ECONNREFUSED");
    await Promise.all(deliverers.splice(0).map((deliverer) => deliverer.stop()));
    await change("while both are away");
    await receiver.open();
    startServer();
    await receiver.until(({ length }) => length >= 31);
    expect(sequences(receiver.received)).toEqual(range(31));
  });

  test("and little is repeated by three servers at once", async () => {
    const servers = [startServer(), startServer(), startServer()];
    const { change, row } = await prepare();
    for (const round of range(20)) await change(`${String(round)}a`, `${String(round)}b`);
    await eventually(async () => (await row())?.deliveredSequence === 40);
    expect(sequences(receiver.received)).toEqual(range(40));
    expect(servers).toHaveLength(3);
  });

  test("of a server that died in a delivery: another takes over when its lease has run out", async () => {
    const { change, id } = await prepare();
    // As it leaves the row behind.
    await connection.pool.query(
      `UPDATE "ParentWebhook" SET lease = gen_random_uuid(), "leaseEndsAt" = now() + interval '2 s'
       WHERE "parentSessionId" = $1`,
      [id],
    );
    startServer();
    await change("one");
    await receiver.until(({ length }) => length === 1);
    expect(sequences(receiver.received)).toEqual([1]);
  });

  test("of a webhook that is set again: it goes on where it was, at once", async () => {
    startServer();
    receiver.answer(status(503));
    const { name, change, row } = await prepare();
    await change("one", "two");
    // Then the next try is seconds away.
    await eventually(async () => ((await row())?.failures ?? 0) >= 3);
    const moved = await startReceiver();
    await parents.setWebhook(name, { url: moved.url, secret: "new" });
    await moved.until(({ length }) => length === 2);
    expect(sequences(moved.received)).toEqual([1, 2]);
    expect(isSignedWith("new", moved.received[0]!)).toBe(true);
    await moved.close();
  });
});

describe("a webhook ends", () => {
  test("when its url is set to null", async () => {
    startServer();
    const { name, change, row } = await prepare();
    const other = await prepare();
    await change("one");
    await receiver.until(({ length }) => length === 1);
    await parents.setWebhook(name, { url: undefined, secret: undefined });
    await change("two");
    await other.change("of another");
    await receiver.until(({ length }) => length === 2);
    expect(receiver.received.map(({ body }) => body.report)).toEqual(["one", "of another"]);
    expect(await row()).toBeNull();
  });

  test("with an answer of 410", async () => {
    startServer();
    receiver.answer(status(410));
    const { change, row } = await prepare();
    await change("one", "two");
    await eventually(async () => (await row())?.endedAt != null);
    expect(await row()).toMatchObject({ error: "it answered 410: it wants no more", failures: 1 });
    expect(sequences(receiver.received)).toEqual([1]);
  });

  test("after 72 hours of failures", async () => {
    receiver.answer(status(500));
    const { id, change, row } = await prepare();
    await connection.pool.query(
      `UPDATE "ParentWebhook" SET "failingSince" = now() - interval '73 h' WHERE "parentSessionId" = $1`,
      [id],
    );
    startServer();
    await change("one");
    await eventually(async () => (await row())?.endedAt != null);
    expect(await row()).toMatchObject({ error: "it answered 500", deliveredSequence: 0 });
  });
});

test("a secret that was sealed with another token is told, and nothing is sent unsigned", async () => {
  startServer("a new token");
  const { change, row } = await prepare();
  await change("one");
  await eventually(async () => (await row())?.failures === 1);
  expect((await row())?.error).toContain("set the webhook again");
  expect(receiver.received).toEqual([]);
});
