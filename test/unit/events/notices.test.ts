import { afterAll, afterEach, beforeAll, expect, jest, test } from "@jest/globals";
import pg from "pg";
import { pino } from "pino";
import { createNotices, type Notice, type Notices } from "../../../src/events/notices.ts";
import { createDatabase, type TestDatabase } from "../../support/postgres.ts";
import { eventually } from "../../support/workers.ts";

let database: TestDatabase;
let client: pg.Client;
let opened: Notices[] = [];

beforeAll(async () => {
  database = await createDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});

afterEach(async () => {
  await Promise.all(opened.map((notices) => notices.close()));
  opened = [];
});

afterAll(async () => {
  await client.end();
  await database.drop();
});

async function open(): Promise<Notices> {
  const notices = createNotices(database.url, pino({ level: "silent" }));
  opened.push(notices);
  await notices.start();
  return notices;
}

function notify(payload: string): Promise<unknown> {
  return client.query("SELECT pg_notify('factory', $1)", [payload]);
}

const tell = (topic: string, sequence: number) => notify(JSON.stringify({ topic, sequence }));

/** What a listener hears, to be awaited until it heard enough. */
function listen(notices: Notices, topic: string) {
  const heard: (Notice | undefined)[] = [];
  let look: () => void = () => {};
  const unwatch = notices.watch(topic, (notice) => {
    heard.push(notice);
    look();
  });
  async function until(enough: (heard: readonly (Notice | undefined)[]) => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    look = () => {
      if (enough(heard)) resolve();
    };
    const timer = setTimeout(() => {
      reject(new Error(`heard ${JSON.stringify(heard)}`));
    }, 15_000);
    look();
    await promise.finally(() => {
      clearTimeout(timer);
    });
  }
  return { heard, until, unwatch };
}

const sequences = (heard: readonly (Notice | undefined)[]) =>
  heard.flatMap((notice) => notice?.sequence ?? []);

test("a notice reaches those that watch its topic, and those that watch all", async () => {
  const notices = await open();
  const [one, two, all] = ["one", "two", "*"].map((topic) => listen(notices, topic));
  await tell("one", 1);
  await tell("two", 2);
  await tell("one", 3);
  await all!.until((heard) => sequences(heard).length === 3);
  expect(sequences(all!.heard)).toEqual([1, 2, 3]);
  expect(sequences(one!.heard)).toEqual([1, 3]);
  expect(sequences(two!.heard)).toEqual([2]);
});

test("what one server tells is heard there at once, and by the others of each topic the last", async () => {
  const [own, other] = await Promise.all([open(), open()]);
  const [here, there, all] = [listen(own, "one"), listen(other, "one"), listen(other, "*")];
  for (let sequence = 1; sequence <= 1000; sequence += 1) {
    own.tell({ topic: "one", sequence, subjects: [] });
    own.tell({ topic: "two", sequence, subjects: [] });
  }
  expect(sequences(here.heard).slice(0, 1000)).toEqual(
    Array.from({ length: 1000 }, (_, index) => index + 1),
  );
  await all.until((heard) => heard.filter((notice) => notice?.sequence === 1000).length === 2);
  expect(sequences(there.heard).at(-1)).toBe(1000);
  expect(there.heard.length).toBeLessThan(10);
});

test("what can't be told to others is dropped, and what comes later is told", async () => {
  const [own, other] = await Promise.all([open(), open()]);
  const heard = listen(other, "one");
  await client.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'factory-notices'",
  );
  own.tell({ topic: "one", sequence: 1, subjects: [] });
  let sequence = 1;
  // Both connect anew in their own time.
  await eventually(() => {
    own.tell({ topic: "one", sequence: (sequence += 1), subjects: [] });
    return sequences(heard.heard).length > 0;
  });
});

test("who has stopped watching hears nothing more, and two on one topic are two", async () => {
  const notices = await open();
  const [leaves, stays] = [listen(notices, "topic"), listen(notices, "topic")];
  leaves.unwatch();
  leaves.unwatch();
  await tell("topic", 1);
  await stays.until((heard) => sequences(heard).includes(1));
  expect(leaves.heard).toEqual([]);
});

test("a payload that can't be read hurts nobody", async () => {
  const notices = await open();
  const all = listen(notices, "*");
  for (const payload of ["", "nonsense", "{}", '{"topic":7}', "null"]) await notify(payload);
  await tell("after", 1);
  await all.until((heard) => sequences(heard).includes(1));
  expect(all.heard).toEqual([{ topic: "after", sequence: 1, subjects: [] }]);
});

test("a listener that throws hurts neither those beside it nor who tells", async () => {
  const notices = await open();
  notices.watch("topic", () => {
    throw new Error("a bug");
  });
  const beside = listen(notices, "topic");
  notices.tell({ topic: "topic", sequence: 1, subjects: [] });
  expect(sequences(beside.heard)).toEqual([1]);
});

test("a broken connection is made anew, and everybody is told to look for themselves", async () => {
  const notices = await open();
  const one = listen(notices, "one");
  for (let round = 1; round <= 2; round += 1) {
    const { rowCount } = await client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'factory-notices'`,
    );
    expect(rowCount).toBe(1);
    await one.until((heard) => heard.filter((notice) => notice === undefined).length === round);
    // By then it listens again.
    await tell("one", round);
    await one.until((heard) => sequences(heard).includes(round));
  }
});

/** Resolves once there is no connection of theirs. */
function untilNone(): Promise<void> {
  return eventually(async () => {
    const { rowCount } = await client.query(
      `SELECT 1 FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'factory-notices'`,
    );
    return rowCount === 0;
  });
}

test("after close() it holds no connection", async () => {
  const notices = await open();
  await notices.close();
  await untilNone();
});

test("a connection that may not listen, as a standby's after a failover, is not left behind", async () => {
  const query = jest.spyOn(pg.Client.prototype, "query");
  query.mockImplementationOnce(() => {
    throw new Error("cannot execute LISTEN during recovery");
  });
  await expect(open()).rejects.toThrow("during recovery");
  query.mockRestore();
  await untilNone();
});
