// Postgres goes, or the way to it: workers go on, and streams stay whole.
import { existsSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import pg from "pg";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "../../src/database/embedded.ts";
import type { Collected } from "../support/collect.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { prepareParent, toldOf, type AppendToParent } from "../support/parent-stream.ts";
import { createDatabase, type TestDatabase } from "../support/postgres.ts";
import { startPostgresProxy, type PostgresProxy } from "../support/postgres-proxy.ts";
import { folderOf, processesOf } from "../support/spool.ts";
import { hearAll, untilSaid, wordsOf, writeScriptedAgents } from "../support/talks.ts";
import {
  createGate,
  dispatch,
  eventually,
  followParent,
  followWorker,
  isAlive,
  readWorker,
  untilEnded,
  untilPrinted,
  type Ended,
  type WorkerEvent,
} from "../support/workers.ts";

let git: GitServer;
let database: TestDatabase;
let proxy: PostgresProxy;
/** Its way to Postgres leads through the proxy. */
let server: FactoryServer;
const clients: pg.Client[] = [];
const repository = { owner: "acme", name: "app" };
const env = { FACTORY_SYNC_MAX_AGE: "600", FACTORY_KILL_GRACE: "2" };
/** For the agents' own files. */
let folder: string;

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app");
  database = await createDatabase();
  proxy = await startPostgresProxy(database.url);
  folder = await mkdtemp(join(tmpdir(), "factory-agents-"));
  server = await startFactory({
    database: { url: proxy.url },
    git,
    env: { ...env, FACTORY_AGENTS: await writeScriptedAgents(folder) },
  });
});

afterAll(async () => {
  await Promise.all(clients.map((client) => client.end()));
  await server.dispose();
  await proxy.close();
  await database.drop();
  await git.stop();
  await rm(folder, { recursive: true });
});

/** Past the proxy. */
async function connect(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url, application_name: "test" });
  await client.connect();
  clients.push(client);
  return client;
}

const eventsOf = ({ messages }: Collected<{ workerEvents: WorkerEvent }>) =>
  messages.map(({ workerEvents }) => workerEvents);

const statusesOf = (events: readonly WorkerEvent[]) =>
  events.flatMap(({ status }) => (status === undefined ? [] : [status]));

function expectContiguous({ events }: Ended): void {
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
}

const lines = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `${String(from + index)}\n`).join("");

test("fault 11: Postgres restarts while workers run: they go on, and what happened meanwhile is stored once", async () => {
  const home = await mkdtemp(join(tmpdir(), "factory-postgres-"));
  // Open to the user that Postgres runs as where the tests run as root.
  await chmod(home, 0o711);
  let postgres: EmbeddedPostgres = await startEmbeddedPostgres({ home, durable: false });
  const gate = await createGate();
  const own = await startFactory({
    database: postgres,
    git,
    env,
  });
  try {
    const shared = { parentSession: "restarted", repository };
    const goesOn = await dispatch(own, {
      ...shared,
      task: `echo begun; ${gate.wait}; seq 1 2000; ${gate.wait}; echo done`,
    });
    const ends = await dispatch(own, {
      ...shared,
      task: `echo begun $$; ${gate.wait}; echo last; exit 5`,
    });
    await untilPrinted(own, goesOn.id, "begun\n");
    const begun = await untilPrinted(own, ends.id, "\n");
    const pid = Number(/\d+/.exec(begun)?.[0]);
    const follower = followWorker(own, goesOn.id, 0);
    await follower.first(4);

    await postgres.stop();
    await gate.open(2);
    await eventually(async () => !(await isAlive(pid)));
    expect((await own.fetch("/readyz")).status).toBe(503);
    expect(await own.codes("{ repositories { nodes { id } } }")).toEqual(["SERVICE_UNAVAILABLE"]);
    expect(own.process.exitCode).toBeNull();
    postgres = await startEmbeddedPostgres({ home, durable: false });
    await eventually(async () => (await own.fetch("/readyz")).status === 200);

    const ended = await untilEnded(own, ends.id);
    expect(ended).toMatchObject({
      status: "FAILED",
      exitCode: 5,
      stdout: `begun ${String(pid)}\nlast\n`,
    });
    await untilPrinted(own, goesOn.id, "2000\n");
    await gate.open();
    const whole = await untilEnded(own, goesOn.id);
    expect(whole).toMatchObject({
      status: "SUCCEEDED",
      stdout: `begun\n${lines(1, 2000)}done\n`,
    });
    for (const one of [ended, whole]) expectContiguous(one);
    // It waited for the database, and nobody had to come back.
    await follower.completed;
    expect(eventsOf(follower)).toEqual(whole.events);
    expect(
      (await untilEnded(own, (await dispatch(own, { ...shared, task: "true" })).id)).status,
    ).toBe("SUCCEEDED");
  } finally {
    await gate.dispose();
    await own.dispose();
    await postgres.stop();
    await rm(home, { recursive: true, force: true });
  }
});

test("fault 12: a half open LISTEN connection is noticed within 15 s, and what it missed is delivered", async () => {
  const listening = () =>
    proxy.connections().filter(({ application }) => application === "factory-notices");
  const before = listening();
  expect(before).toHaveLength(1);
  const first = await dispatch(server, { parentSession: "half-open", repository, task: "true" });
  await untilEnded(server, first.id);
  const followed = followParent(server, "half-open", 4);
  const begun = performance.now();
  before[0]!.swallow();
  await dispatch(server, { parentSession: "half-open", repository, task: "true" });
  await eventually(() => listening().some((connection) => !before.includes(connection)));
  expect(performance.now() - begun).toBeLessThan(15_000);
  const missed = await followed.first(4);
  expect(toldOf(missed).map(([sequence]) => sequence)).toEqual([5, 6, 7, 8]);
  // The new one hears: this comes by a notice, before anybody would look for himself.
  const notified = performance.now();
  const last = await dispatch(server, { parentSession: "half-open", repository, task: "true" });
  await followed.first(8);
  expect(performance.now() - notified).toBeLessThan(4_000);
  await untilEnded(server, last.id);
});

test("fault 13: pg_terminate_backend on every connection during subscriptions: sequences stay contiguous", async () => {
  const gate = await createGate();
  const { id } = await dispatch(server, {
    parentSession: "terminated",
    repository,
    task: `for n in $(seq 1 5); do seq $((n * 1000)) $((n * 1000 + 999)); echo "part $n"; ${gate.wait}; done; echo end`,
  });
  const [client, holder] = [await connect(), await connect()];
  const followers = [1, 2].map(() => followWorker(server, id, 0));
  for (let part = 1; part <= 5; part += 1) {
    const end = `part ${String(part)}\n`;
    for (const follower of followers) {
      await follower.until(() => eventsOf(follower).some(({ text }) => text?.includes(end)));
    }
    // Holds the next append in the middle, where its connection is then cut.
    await holder.query("BEGIN");
    await holder.query('SELECT 1 FROM "WorkerSession" WHERE status = $1 FOR UPDATE', ["RUNNING"]);
    await gate.open();
    // And who tells the subscribers is there again after the last time.
    await eventually(async () => {
      const { rows } = await client.query<{ isThere: boolean }>(
        `SELECT bool_or(application_name = 'factory-notices')
            AND bool_or(wait_event_type = 'Lock' AND query LIKE '%store_output%') AS "isThere"
         FROM pg_stat_activity WHERE datname = current_database()`,
      );
      return rows[0]?.isThere === true;
    });
    const { rowCount } = await client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid()
         AND application_name <> 'test'`,
    );
    expect(rowCount).toBeGreaterThan(1);
    await holder.query("COMMIT");
  }
  await Promise.all(followers.map(({ completed }) => completed));
  const ended = await untilEnded(server, id);
  expectContiguous(ended);
  for (const follower of followers) expect(eventsOf(follower)).toEqual(ended.events);
  const parts = [1, 2, 3, 4, 5].map((n) => `${lines(n * 1000, n * 1000 + 999)}part ${String(n)}\n`);
  expect(ended.stdout).toBe(`${parts.join("")}end\n`);
  await gate.dispose();
});

/** By the statement that each ends with, and what its transaction has written before. */
const steps = [
  ["the session is taken", { statement: "COMMIT", after: /"tokenHash" = \$/ }],
  ["its agent runs", { statement: "COMMIT", after: /"startedAt" = \$/ }],
  ["its output is stored", { statement: "store-output" }],
  ["its end is recorded", { statement: "COMMIT", after: /"finishedAt" = \$/ }],
] as const;

test.each(steps)(
  "fault 13: a connection that is cut after %s and before that is answered: it has happened once",
  async (_step, what) => {
    const lost = proxy.loseAnswerTo(what);
    const { id } = await dispatch(server, {
      parentSession: "unanswered",
      repository,
      task: `echo begun; echo error >&2`,
    });
    await lost;
    const ended = await untilEnded(server, id);
    expectContiguous(ended);
    expect(statusesOf(ended.events)).toEqual(["QUEUED", "PREPARING", "RUNNING", "SUCCEEDED"]);
    expect(ended).toMatchObject({ stdout: "begun\n", stderr: "error\n" });
    // Also what comes after the end has been done.
    await eventually(() => !existsSync(folderOf(server, id)));
  },
);

/** What workers print and say is refused with that code (of PostgreSQL's) until `repair` is called. */
async function refuseEvents(code: string): Promise<{ repair(): Promise<void> }> {
  const client = await connect();
  await client.query(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '${code}'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON "Event" FOR EACH ROW
      WHEN (NEW.type IN ('output', 'message')) EXECUTE FUNCTION refuse()`);
  return {
    async repair() {
      await client.query(`DROP FUNCTION refuse CASCADE`);
    },
  };
}

const untilLogged = (text: string) =>
  eventually(() => server.log.some((line) => line.includes(text)));

test("a database whose disk is full for a while: what workers print and say waits, and is stored", async () => {
  const gate = await createGate();
  const file = join(folder, "said");
  const shared = { parentSession: "full", repository };
  const prints = await dispatch(server, { ...shared, task: `echo one; ${gate.wait}; echo two` });
  const says = await dispatch(server, {
    ...shared,
    agent: "scripted",
    task: `do: say first\ndo: wait-file ${file}\ndo: say second`,
  });
  await untilPrinted(server, prints.id, "one");
  await untilSaid(server, says.id, "first");
  const refused = await refuseEvents("53100");
  await gate.open();
  await writeFile(file, "");
  await untilLogged("output waits for the database");
  await untilLogged("the talk with the agent waits for the database");
  await refused.repair();
  expect(await untilEnded(server, prints.id)).toMatchObject({
    status: "SUCCEEDED",
    stdout: "one\ntwo\n",
  });
  expect(wordsOf(await hearAll(server, says.id))).toContain("second");
  expect((await readWorker(server, says.id)).status).toBe("SUCCEEDED");
  await gate.dispose();
});

test("a worker whose words the database refuses for good is ended, and not left to itself unheard", async () => {
  const file = join(folder, "unheard");
  const { id } = await dispatch(server, {
    parentSession: "refused",
    repository,
    agent: "scripted",
    task: `do: say first\ndo: wait-file ${file}\ndo: say second\ndo: wait-file ${file}-never`,
  });
  await untilSaid(server, id, "first");
  const refused = await refuseEvents("P0001");
  try {
    await writeFile(file, "");
    expect(await untilEnded(server, id)).toMatchObject({
      status: "FAILED",
      failureCode: "INTERNAL",
    });
    expect(await processesOf(id)).toEqual([]);
  } finally {
    await refused.repair();
  }
});

test("an agent that is spoken to is ended where another attempt took over, though it can't be told", async () => {
  const file = join(folder, "taken-over");
  const { id, name } = await dispatch(server, {
    parentSession: "taken-over",
    repository,
    agent: "scripted",
    task: `do: say first\ndo: wait-file ${file}\ndo: say second\ndo: wait-file ${file}-never`,
  });
  await untilSaid(server, id, "first");
  const client = await connect();
  const number = Number(name.slice("worker-".length));
  const row = `UPDATE "WorkerSession" SET`;
  await client.query(`${row} attempt = attempt + 1 WHERE number = $1`, [number]);
  await writeFile(file, "");
  await eventually(async () => (await processesOf(id)).length === 0);
  // Nobody works on that attempt.
  await client.query(`${row} status = 'LOST', "finishedAt" = now() WHERE number = $1`, [number]);
});

test("a timeout ends an agent that is spoken to also while the database is away, which is logged once", async () => {
  const { id } = await dispatch(server, {
    parentSession: "away",
    repository,
    agent: "scripted",
    timeoutSeconds: 3,
    task: `do: say first\ndo: wait-file ${join(folder, "never")}`,
  });
  await untilSaid(server, id, "first");
  const logged = server.log.length;
  proxy.cutOff();
  try {
    for (let request = 0; request < 20; request += 1) {
      expect(await server.codes("{ runners { name } }")).toEqual(["SERVICE_UNAVAILABLE"]);
    }
    await eventually(async () => (await processesOf(id)).length === 0);
    const told = server.log.slice(logged).filter((line) => line.includes('"err":'));
    const texts = told.map((line) => /"msg":"(.*)"/.exec(line)?.[1]);
    expect(texts).toContain("a request met an unreachable database");
    // Each once: an outage of hours must not fill a disk.
    expect(texts.toSorted()).toEqual([...new Set(texts)].toSorted());
  } finally {
    proxy.resume();
  }
  expect((await untilEnded(server, id)).status).toBe("TIMED_OUT");
});

test("a session that is prepared when all leases have ended by an outage goes on with its own runner", async () => {
  const client = await connect();
  const { id } = await dispatch(server, { parentSession: "leases", repository, task: "true" });
  await untilEnded(server, id);
  // The repository's clone is another runner's, which is away.
  await client.query(`
    WITH gone AS (
      INSERT INTO "Runner" (id, name, host, version, capacity, "leaseEndsAt")
      VALUES (gen_random_uuid(), 'gone', 'gone', '1', 4, now() - interval '4 minutes') RETURNING id
    ) UPDATE "Repository" SET "runnerId" = gone.id FROM gone`);
  await client.query(`UPDATE "Runner" SET "leaseEndsAt" = now() - interval '3 minutes'`);
  const next = await dispatch(server, { parentSession: "leases", repository, task: "true" });
  expect((await untilEnded(server, next.id)).status).toBe("SUCCEEDED");
});

test("fault 14: two transactions append to one stream and commit in the other order: no cursor skips", async () => {
  const [one, two, observer] = [await connect(), await connect(), await connect()];
  const append: AppendToParent = await prepareParent(server, observer, {
    parentSession: "order",
    repository,
  });
  const followed = followParent(server, "order", 4);
  // The first to begin is the last to append.
  await one.query("BEGIN");
  await one.query("SELECT txid_current()");
  await two.query("BEGIN");
  await append(two, "two");
  await two.query("COMMIT");
  expect(toldOf(await followed.first(1))).toEqual([[5, "two"]]);
  await append(one, "one");
  // The first to append is the last to commit, if it can: the other one waits for it.
  const { rows } = await two.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  const second = append(two, "three");
  await eventually(async () => {
    const waiting = await observer.query(
      "SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock'",
      [rows[0]!.pid],
    );
    return waiting.rowCount === 1;
  });
  expect(followed.messages).toHaveLength(1);
  await one.query("COMMIT");
  await second;
  expect(toldOf(await followed.first(3))).toEqual([
    [5, "two"],
    [6, "one"],
    [7, "three"],
  ]);
});
