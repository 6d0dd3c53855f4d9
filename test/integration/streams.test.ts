// Subscriptions to workers and parents: replay, its edges, completion.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";
import type { Collected, SubscriptionRefused } from "../support/collect.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { streamEvents } from "../support/server-sent-events.ts";
import {
  cancel,
  createGate,
  dispatch,
  followParent,
  followWorker,
  statusSubscription,
  untilEnded,
  untilPrinted,
  workerEventsSubscription,
  type StatusChange,
  type WorkerEvent,
} from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
let database: pg.Client;
const repository = { owner: "acme", name: "app" };

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app");
  server = await startFactory({ git });
  database = new pg.Client({ connectionString: server.databaseUrl });
  await database.connect();
});

afterAll(async () => {
  await database.end();
  await server.dispose();
  await git.stop();
});

function refusal(collected: Collected<unknown>): Promise<SubscriptionRefused> {
  return collected.completed.then(
    () => {
      throw new Error("it was completed");
    },
    (error: unknown) => error as SubscriptionRefused,
  );
}

async function run(parentSession: string, task = "true") {
  const { id } = await dispatch(server, { parentSession, repository, task });
  return untilEnded(server, id);
}

/** As retention does it. */
async function removeEvents(key: string, before: number): Promise<void> {
  await database.query(
    `DELETE FROM "Event" WHERE sequence < $2
       AND "streamId" = (SELECT id FROM "Stream" WHERE key = $1)`,
    [key, before],
  );
  await database.query(`UPDATE "Stream" SET "firstSequence" = $2 WHERE key = $1`, [key, before]);
}

const changesIn = (messages: readonly { workerStatusChanged: StatusChange }[]) =>
  messages.map(({ workerStatusChanged }) => workerStatusChanged);

describe("workerStatusChanged", () => {
  test("after: N gives exactly what follows N, for each N", async () => {
    const parentSession = "exact";
    await Promise.all([run(parentSession), run(parentSession), run(parentSession, "exit 1")]);
    const whole = changesIn(await followParent(server, parentSession, 0).first(12));
    expect(whole.map(({ sequence }) => sequence)).toEqual(whole.map((_, index) => index + 1));
    const rest = await Promise.all(
      whole
        .slice(0, -1)
        .map(async ({ sequence }) =>
          changesIn(await followParent(server, parentSession, sequence).first(12 - sequence)),
        ),
    );
    expect(rest).toEqual(whole.slice(0, -1).map((_, index) => whole.slice(index + 1)));
  });

  test("a subscriber that stops and resumes while workers run sees each change once", async () => {
    const parentSession = "resumes";
    const gate = await createGate();
    const workers = [1, 2, 3, 4].map(() => run(parentSession, gate.wait));
    const seen: StatusChange[] = [];
    // Leaves after each message, and comes back with its cursor, while the changes go on.
    while (seen.length < 16) {
      const followed = followParent(server, parentSession, seen.at(-1)?.sequence ?? 0);
      seen.push(...changesIn(await followed.first(1)));
      followed.end();
      if (seen.filter(({ status }) => status === "RUNNING").length > 0) await gate.open();
    }
    await Promise.all(workers);
    expect(seen.map(({ sequence }) => sequence)).toEqual(seen.map((_, index) => index + 1));
    for (const { name } of await Promise.all(workers)) {
      expect(seen.filter(({ worker }) => worker.name === name).map(({ status }) => status)).toEqual(
        ["QUEUED", "PREPARING", "RUNNING", "SUCCEEDED"],
      );
    }
    await gate.dispose();
  });

  test("without after it gives what comes from now on", async () => {
    const parentSession = "from-now";
    await run(parentSession);
    const live = followParent(server, parentSession);
    // Nothing tells that it stands but its first message.
    while (live.messages.length === 0) await run(parentSession);
    const count = live.messages.length;
    await run(parentSession);
    const changes = changesIn(await live.first(count + 1));
    const [first] = changes;
    expect(first!.sequence).toBeGreaterThan(4);
    expect(changes.map(({ sequence }) => sequence)).toEqual(
      changes.map((_, index) => first!.sequence + index),
    );
  });

  test("a parent that doesn't exist yet is waited for", async () => {
    const parentSession = "not-yet";
    const followed = followParent(server, parentSession, 0);
    // A whole refusal's time later, it stands in all likelihood; if not, this can't fail for it.
    await refusal(followParent(server, "another", 1));
    await run(parentSession);
    const changes = changesIn(await followed.first(4));
    expect(changes.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4]);
  });

  test("beyond the last sequence is CURSOR_AHEAD, which tells the last one", async () => {
    const parentSession = "ahead";
    await run(parentSession);
    const ahead = await refusal(followParent(server, parentSession, 5));
    expect(ahead.errors[0]).toMatchObject({
      message: expect.stringContaining("4"),
      extensions: { code: "CURSOR_AHEAD", lastSequence: 4 },
    });
    const unknown = await refusal(followParent(server, "never-was", 1));
    expect(unknown.codes).toEqual(["CURSOR_AHEAD"]);
  });

  test("a negative cursor, and a parent's name that can't be one, are BAD_INPUT", async () => {
    for (const [name, after] of [
      ["exact", -1],
      ["", 0],
      ["a\nb", 0],
      ["x".repeat(201), 0],
    ] as const) {
      expect((await refusal(followParent(server, name, after))).codes).toEqual(["BAD_INPUT"]);
    }
  });

  test("what retention has removed is EVENTS_EXPIRED, which tells where to start", async () => {
    const parentSession = "expired";
    await run(parentSession);
    await run(parentSession);
    await removeEvents(`parent:${parentSession}`, 5);
    for (const after of [1, 2, 3]) {
      const expired = await refusal(followParent(server, parentSession, after));
      expect(expired.errors[0]).toMatchObject({
        extensions: { code: "EVENTS_EXPIRED", firstSequence: 5 },
      });
    }
    for (const after of [0, 4]) {
      const changes = changesIn(await followParent(server, parentSession, after).first(4));
      expect(changes.map(({ sequence }) => sequence)).toEqual([5, 6, 7, 8]);
    }
  });

  test("a stream of which nothing is left goes on with its numbering", async () => {
    const parentSession = "emptied";
    await run(parentSession);
    await removeEvents(`parent:${parentSession}`, 5);
    const [fromStart, fromEnd] = [0, 4].map((after) => followParent(server, parentSession, after));
    await run(parentSession);
    for (const followed of [fromStart!, fromEnd!]) {
      const changes = changesIn(await followed.first(4));
      expect(changes.map(({ sequence }) => sequence)).toEqual([5, 6, 7, 8]);
    }
    expect((await refusal(followParent(server, parentSession, 3))).codes).toEqual([
      "EVENTS_EXPIRED",
    ]);
  });

  test("never completes, though all its workers have ended", async () => {
    const parentSession = "open-end";
    await run(parentSession);
    const followed = followParent(server, parentSession, 0);
    await followed.first(4);
    await run(parentSession);
    expect(changesIn(await followed.first(8)).map(({ sequence }) => sequence)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8,
    ]);
  });
});

const eventsIn = (messages: readonly { workerEvents: WorkerEvent }[]) =>
  messages.map(({ workerEvents }) => workerEvents);

describe("workerEvents", () => {
  test("completes after the session's last event", async () => {
    const gate = await createGate();
    const { id } = await dispatch(server, {
      parentSession: "events",
      repository,
      task: `echo one; ${gate.wait}; echo two`,
    });
    const followed = followWorker(server, id, 0);
    await followed.until((all) => eventsIn(all).some(({ text }) => text === "one\n"));
    await gate.open();
    await followed.completed;
    const events = eventsIn(followed.messages);
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
    expect(events.map(({ status, text }) => status ?? text)).toEqual([
      "QUEUED",
      "PREPARING",
      "RUNNING",
      "one\n",
      "two\n",
      "SUCCEEDED",
    ]);
    await gate.dispose();
  });

  test("of an ended session: without after it completes at once, with after it replays the rest", async () => {
    const ended = await run("events", "echo one");
    const now = followWorker(server, ended.name);
    await now.completed;
    expect(now.messages).toEqual([]);
    for (const { sequence } of [{ sequence: 0 }, ...ended.events]) {
      const followed = followWorker(server, ended.id, sequence);
      await followed.completed;
      expect(eventsIn(followed.messages)).toEqual(ended.events.slice(sequence));
    }
  });

  test("without after it gives what comes from now on", async () => {
    const gate = await createGate();
    const { id } = await dispatch(server, {
      parentSession: "events",
      repository,
      task: `echo begun; n=0; while ${gate.wait}; do n=$((n + 1)); echo "line $n"; done`,
    });
    await untilPrinted(server, id, "begun");
    const live = followWorker(server, id);
    for (let line = 1; live.messages.length === 0; line += 1) {
      await gate.open();
      await untilPrinted(server, id, `line ${String(line)}\n`);
    }
    await cancel(server, id);
    await live.completed;
    const events = eventsIn(live.messages);
    const [first] = events;
    expect(first!.sequence).toBeGreaterThan(4);
    expect(events.at(-1)?.status).toBe("CANCELLED");
    expect(events.map(({ sequence }) => sequence)).toEqual(
      events.map((_, index) => first!.sequence + index),
    );
    await gate.dispose();
  });

  test("a worker that doesn't exist is WORKER_NOT_FOUND, a cursor beyond the end CURSOR_AHEAD", async () => {
    const { id, lastSequence } = await run("events");
    expect((await refusal(followWorker(server, "worker-999999", 0))).codes).toEqual([
      "WORKER_NOT_FOUND",
    ]);
    expect((await refusal(followWorker(server, "nonsense"))).codes).toEqual(["WORKER_NOT_FOUND"]);
    expect((await refusal(followWorker(server, id, lastSequence + 1))).codes).toEqual([
      "CURSOR_AHEAD",
    ]);
    expect((await refusal(followWorker(server, id, -1))).codes).toEqual(["BAD_INPUT"]);
  });

  test("what retention has removed is EVENTS_EXPIRED, as in the list of stored events", async () => {
    const { id, name, lastSequence } = await run("events", "echo one");
    await removeEvents(`worker:${name.slice("worker-".length)}`, 3);
    const expired = await refusal(followWorker(server, id, 1));
    expect(expired.errors[0]).toMatchObject({
      extensions: { code: "EVENTS_EXPIRED", firstSequence: 3 },
    });
    const followed = followWorker(server, id, 0);
    await followed.completed;
    expect(eventsIn(followed.messages).map(({ sequence }) => sequence)).toEqual([3, 4, 5]);
    const list = `query ($id: ID!, $after: Int) { workerSession(id: $id) { events(after: $after) { sequence } } }`;
    expect(await server.codes(list, { id, after: 1 })).toEqual(["EVENTS_EXPIRED"]);
    expect(await server.codes(list, { id, after: lastSequence + 1 })).toEqual(["CURSOR_AHEAD"]);
    const { workerSession } = await server.query<{ workerSession: unknown }>(list, {
      id,
      after: 2,
    });
    expect(workerSession).toEqual({ events: [{ sequence: 3 }, { sequence: 4 }, { sequence: 5 }] });
  });

  test("an ended session of which no event is left completes at once", async () => {
    const { id, name, lastSequence } = await run("events");
    await removeEvents(`worker:${name.slice("worker-".length)}`, lastSequence + 1);
    const followed = followWorker(server, id, 0);
    await followed.completed;
    expect(followed.messages).toEqual([]);
  });

  test("the list of stored events is what is replayed, in pages", async () => {
    const { id, events } = await run("events", "echo one; echo two >&2");
    const read = async (args: string) =>
      (
        await server.query<{ workerSession: { events: { sequence: number }[] } }>(
          `query ($id: ID!) { workerSession(id: $id) { events${args} { sequence } } }`,
          { id },
        )
      ).workerSession.events.map(({ sequence }) => sequence);
    const all = events.map(({ sequence }) => sequence);
    expect(await read("")).toEqual(all);
    expect(await read("(first: 2)")).toEqual([1, 2]);
    expect(await read("(after: 2, first: 2)")).toEqual([3, 4]);
    expect(await read("(first: 100000)")).toEqual(all);
    expect(
      await server.codes(
        `query ($id: ID!) { workerSession(id: $id) { events(first: 0) { at } } }`,
        {
          id,
        },
      ),
    ).toEqual(["BAD_INPUT"]);
  });
});

describe("over server-sent events", () => {
  async function read(query: string, variables: Record<string, unknown>, count = Infinity) {
    const events = [];
    for await (const event of streamEvents(server, query, variables)) {
      events.push(event);
      if (events.length >= count) break;
    }
    return events;
  }

  test("a parent's changes are replayed and followed", async () => {
    const parentSession = "sse";
    await run(parentSession);
    const following = read(statusSubscription, { parentSession, after: 2 }, 6);
    await run(parentSession);
    const events = await following;
    expect(events.map(({ event }) => event)).toEqual(Array(6).fill("next"));
    const sequences = events.map(
      ({ data }) => JSON.parse(data).data.workerStatusChanged.sequence as number,
    );
    expect(sequences).toEqual([3, 4, 5, 6, 7, 8]);
  });

  test("a worker's events are what a WebSocket gives, and then the stream completes", async () => {
    const ended = await run("sse-events", "echo one");
    const events = await read(workerEventsSubscription, { id: ended.id, after: 0 });
    expect(events.at(-1)?.event).toBe("complete");
    const bodies = events
      .slice(0, -1)
      .map(({ data }) => JSON.parse(data).data.workerEvents as WorkerEvent);
    expect(bodies).toEqual(ended.events);
    const now = await read(workerEventsSubscription, { id: ended.id });
    expect(now.map(({ event }) => event)).toEqual(["complete"]);
  });

  test("what is refused is told with its code, and ends the stream", async () => {
    const ended = await run("sse-refused");
    for (const [variables, code] of [
      [{ id: "worker-999999" }, "WORKER_NOT_FOUND"],
      [{ id: ended.id, after: 100 }, "CURSOR_AHEAD"],
      [{ id: ended.id, after: -1 }, "BAD_INPUT"],
    ] as const) {
      const events = await read(workerEventsSubscription, variables);
      expect(events.map(({ event }) => event)).toEqual(["next", "complete"]);
      expect(JSON.parse(events[0]!.data).errors[0].extensions.code).toBe(code);
    }
  });
});

describe("overviewChanged", () => {
  interface Overview {
    readonly overviewChanged: {
      readonly at: string;
      readonly repositories: string[];
      readonly worktrees: string[];
      readonly workerSessions: string[];
      readonly parentSessions: string[];
    };
  }

  test("tells the ids of what changed, at most four times a second", async () => {
    const overview = server.subscribe<Overview>(
      `subscription { overviewChanged { at repositories worktrees workerSessions parentSessions } }`,
    );
    await git.createRepository("acme", "watched");
    const one = await dispatch(server, {
      parentSession: "overview",
      repository: { owner: "acme", name: "watched" },
      task: "true",
    });
    const ended = await untilEnded(server, one.id);
    const { workerSession } = await server.query<{
      workerSession: Record<"repository" | "worktree" | "parentSession", { id: string }>;
    }>(
      `query ($id: ID!) { workerSession(id: $id) { repository { id } worktree { id } parentSession { id } } }`,
      { id: one.id },
    );
    const holds = (all: readonly Overview[], key: keyof Overview["overviewChanged"], id: string) =>
      all.some(({ overviewChanged }) => overviewChanged[key].includes(id));
    // Enough going on to be told of more often.
    while (overview.messages.length < 8) await run("overview");
    const messages = await overview.until(
      (all) =>
        holds(all, "workerSessions", ended.id) &&
        holds(all, "repositories", workerSession.repository.id) &&
        holds(all, "worktrees", workerSession.worktree.id) &&
        holds(all, "parentSessions", workerSession.parentSession.id),
    );
    const times = messages.map(({ overviewChanged }) => Date.parse(overviewChanged.at));
    // A timer may fire a millisecond early.
    for (const [index, time] of times.slice(4).entries()) {
      expect(time - times[index]!).toBeGreaterThanOrEqual(995);
    }
    overview.end();
  });
});
