// Streams stay whole whatever commits when, whoever leaves, and whichever connection breaks.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { collect } from "../support/collect.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { prepareParent, toldOf, type AppendToParent } from "../support/parent-stream.ts";
import { openWebSocket } from "../support/web-socket.ts";
import {
  createGate,
  dispatch,
  eventually,
  followParent,
  followWorker,
  statusSubscription,
  untilEnded,
  untilPrinted,
  type StatusChange,
} from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
const clients: pg.Client[] = [];
const repository = { owner: "acme", name: "app" };

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app");
  server = await startFactory({ git });
});

afterAll(async () => {
  await Promise.all(clients.map((client) => client.end()));
  await server.dispose();
  await git.stop();
});

async function connect(): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: server.databaseUrl,
    application_name: "test",
  });
  await client.connect();
  clients.push(client);
  return client;
}

async function prepare(parentSession: string): Promise<AppendToParent> {
  return prepareParent(server, await connect(), { parentSession, repository });
}

describe("the order of commits", () => {
  test("a transaction that is rolled back leaves no hole", async () => {
    const append = await prepare("rollback");
    const [one, two] = [await connect(), await connect()];
    const followed = followParent(server, "rollback", 4);
    await one.query("BEGIN");
    await append(one, "never");
    const second = append(two, "two");
    await one.query("ROLLBACK");
    await second;
    expect(toldOf(await followed.first(1))).toEqual([[5, "two"]]);
  });

  test("eight writers at once: every subscriber sees all, in one order, without a hole", async () => {
    const append = await prepare("writers");
    const followed = [0, 4, 4].map((after) => followParent(server, "writers", after));
    const writers = await Promise.all(Array.from({ length: 8 }, connect));
    await Promise.all(
      writers.map(async (writer, index) => {
        for (let round = 0; round < 25; round += 1) {
          await append(
            writer,
            `${String(index)}/${String(round)}a`,
            `${String(index)}/${String(round)}b`,
          );
        }
      }),
    );
    // More than one batch of the reader, for those who come now too.
    const [whole, ...rest] = await Promise.all([
      followed[0]!.first(404),
      followed[1]!.first(400),
      followed[2]!.first(400),
      followParent(server, "writers", 4).first(400),
    ]);
    expect(toldOf(whole).map(([sequence]) => sequence)).toEqual(whole.map((_, index) => index + 1));
    for (const one of rest) expect(toldOf(one)).toEqual(toldOf(whole.slice(4)));
  });
});

describe("broken connections", () => {
  const terminate = (client: pg.Client, names: string) =>
    client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name LIKE $1 AND pid <> pg_backend_pid()`,
      [names],
    );

  test("a notice that is lost with its connection delays its event, and loses nothing", async () => {
    const append = await prepare("notices");
    const database = await connect();
    const followed = followParent(server, "notices", 0);
    await followed.first(4);
    for (let round = 1; round <= 3; round += 1) {
      const { rowCount } = await terminate(database, "factory-notices");
      expect(rowCount).toBe(1);
      // Nobody listens now: this notice is lost.
      await append(database, `round ${String(round)}`);
      expect(toldOf(await followed.first(4 + round)).slice(4)).toEqual(
        Array.from({ length: round }, (_, index) => [5 + index, `round ${String(index + 1)}`]),
      );
      // It listens again, so that the next round can break it anew.
      await eventually(async () => {
        const { rowCount: listening } = await database.query(
          `SELECT 1 FROM pg_stat_activity
           WHERE datname = current_database() AND application_name = 'factory-notices'`,
        );
        return listening === 1;
      });
    }
  });
});

describe("subscribers that leave", () => {
  test("500 that left make room for as many again, on the same connection, and the others hear on", async () => {
    const append = await prepare("leavers");
    const database = await connect();
    const client = openWebSocket(server, { lazy: false });
    const stays = followParent(server, "leavers", 4);
    // Three rounds of 500: with what is left of two of them the limit of 1,000 would be reached.
    for (let round = 0; round < 3; round += 1) {
      const subscribers = Array.from({ length: 500 }, () =>
        collect<{ workerStatusChanged: StatusChange }>(client, statusSubscription, {
          parentSession: "leavers",
          after: 3,
        }),
      );
      const firsts = await Promise.all(subscribers.map((one) => one.first(1)));
      expect(new Set(firsts.map((one) => one[0]!.workerStatusChanged.sequence))).toEqual(
        new Set([4]),
      );
      for (const one of subscribers) one.end();
      await append(database, `round ${String(round)}`);
      await stays.first(round + 1);
    }
    expect(toldOf(stays.messages).map(([sequence]) => sequence)).toEqual([5, 6, 7]);
    await client.dispose();
  });

  test("a subscriber's departure doesn't touch the worker", async () => {
    const gate = await createGate();
    const { id } = await dispatch(server, {
      parentSession: "leavers",
      repository,
      task: `echo here; ${gate.wait}; echo end`,
    });
    await untilPrinted(server, id, "here");
    const followed = followWorker(server, id, 0);
    await followed.first(1);
    followed.end();
    await gate.open();
    expect((await untilEnded(server, id)).stdout).toBe("here\nend\n");
    await gate.dispose();
  });
});
