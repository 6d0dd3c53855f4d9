// Server-sent events of workers and parents, as a script or a browser's EventSource meets them.
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { get, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { openRest, type Rest, type RestEvent } from "../support/rest.ts";
import { answer, untilAsked, writeScriptedAgents } from "../support/talks.ts";
import { createGate, dispatch, eventually, untilEnded, untilPrinted } from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
let rest: Rest;
let folder: string;
const repository = { owner: "acme", name: "app" };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "factory-rest-"));
  git = await startGitServer();
  await git.createRepository("acme", "app");
  server = await startFactory({ git, env: { FACTORY_AGENTS: await writeScriptedAgents(folder) } });
  rest = await openRest(server);
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
  await rm(folder, { recursive: true });
});

const eventsOf = (name: string) => `/api/agents/sessions/${name}/events`;
const idsOf = (events: readonly RestEvent[]) => events.map(({ id }) => id);
const upTo = (last: number, from = 1) =>
  Array.from({ length: last - from + 1 }, (_, index) => from + index);

test("a worker's events are replayed, go on live and end, and whoever comes again is told to stop", async () => {
  const gate = await createGate();
  const task = `echo one; ${gate.wait}; echo two; ${gate.wait}; echo three >&2`;
  const { name } = await dispatch(server, { parentSession: "live", repository, task });
  await untilPrinted(server, name, "one");

  const first = await rest.follow(`${eventsOf(name)}?after=0`);
  const before = [...(await first.take(4))];
  expect(before.map(({ data }) => data["status"] ?? data["text"])).toEqual([
    "QUEUED",
    "PREPARING",
    "RUNNING",
    "one\n",
  ]);
  const now = await rest.follow(eventsOf(name));
  await gate.open();
  const [two] = await first.take(1);
  expect(two).toMatchObject({
    id: 5,
    data: { __typename: "WorkerOutputEvent", sequence: 5, channel: "STDOUT", text: "two\n" },
  });
  expect(await now.take(1)).toEqual([two]);
  first.leave();
  await gate.open();

  // The header wins over the query, which an EventSource repeats as it was.
  const headers = { "Last-Event-ID": "5" };
  const again = await rest.follow(`${eventsOf(name)}?after=0`, { headers });
  const rested = await again.rest();
  expect(rested.map(({ data }) => data["text"] ?? data["status"])).toEqual([
    "three\n",
    "SUCCEEDED",
  ]);
  expect(await now.rest()).toEqual(rested);
  const { lastSequence } = await untilEnded(server, name);
  expect(idsOf([...before, two!, ...rested])).toEqual(upTo(lastSequence));

  const last = { "Last-Event-ID": String(lastSequence) };
  for (const [query, sent] of [
    ["", {}],
    ["?after=0", last],
    [`?after=${String(lastSequence)}`, {}],
  ] as const) {
    expect(await rest.get(`${eventsOf(name)}${query}`, { headers: sent })).toMatchObject({
      status: 204,
      body: undefined,
    });
  }
  // What it has not heard it still hears.
  const late = await rest.follow(`${eventsOf(name)}?after=${String(lastSequence - 1)}`);
  expect(idsOf(await late.rest())).toEqual([lastSequence]);
});

test("a parent's changes are told before it exists, and go on when its workers have ended", async () => {
  const waiting = await rest.follow(eventsOf("not%20yet"));
  const same = await rest.follow("/api/agents/sessions/not%20yet/workers/events");
  const input = { parentSession: "not yet", repository, task: "true" };
  const one = await dispatch(server, input);
  const told = await waiting.take(4);
  expect(told.map(({ id, data }) => [id, data["status"]])).toEqual([
    [1, "QUEUED"],
    [2, "PREPARING"],
    [3, "RUNNING"],
    [4, "SUCCEEDED"],
  ]);
  expect(told[3]!.data).toMatchObject({
    previousStatus: "RUNNING",
    worker: { name: one.name, repositoryName: "acme/app", status: "SUCCEEDED", exitCode: 0 },
  });
  expect(idsOf(await same.take(4))).toEqual(upTo(4));
  const two = await dispatch(server, input);
  expect((await waiting.take(1))[0]).toMatchObject({ id: 5, data: { worker: { name: two.name } } });
  waiting.leave();
  same.leave();
  await untilEnded(server, two.name);
  const replayed = await rest.follow(`${eventsOf("not%20yet")}?after=4`);
  expect(idsOf(await replayed.take(4))).toEqual(upTo(8, 5));
  replayed.leave();
});

test("an agent's words, tools, costs and requests are told as the document says", async () => {
  const lines = ["think first", "say hello", "tool execute Test", "usage 9 3 0.5", "ask May I?"];
  const task = lines.map((line) => `do: ${line}`).join("\n");
  const talk = { parentSession: "talk", repository, agent: "scripted", permissions: "ASK" };
  const { name, id } = await dispatch(server, { ...talk, task });
  const request = await untilAsked(server, id);
  expect((await rest.get(`/api/agents/sessions/${name}`)).body).toMatchObject({
    status: "WAITING",
    pendingPermissions: [{ id: request.id, title: "May I?", answer: null }],
  });
  await answer(server, { id, requestId: request.id, optionId: request.options[0]!.id });
  const stream = await rest.follow(`${eventsOf(name)}?after=0`);
  const types = new Set((await stream.rest()).map(({ data }) => data["__typename"]));
  expect([...types].toSorted()).toEqual([
    "WorkerMessageEvent",
    "WorkerPermissionEvent",
    "WorkerStatusEvent",
    "WorkerToolCallEvent",
    "WorkerUsageEvent",
  ]);
  const changes = await rest.follow(`${eventsOf("talk")}?after=0`);
  const told = await changes.take(6);
  expect(told.find(({ data }) => data["permission"] !== null)?.data).toMatchObject({
    permission: { title: "May I?" },
  });
  changes.leave();
});

test("a reader that stops for a while misses nothing, and holds nobody up", async () => {
  const { name } = await dispatch(server, {
    parentSession: "slow",
    repository,
    // More than all buffers on the way hold.
    task: `head -c 12000000 /dev/zero | tr '\\0' x | fold -w 1000`,
  });
  const path = `${eventsOf(name)}?after=0`;
  const slow = await open(path);
  const { lastSequence } = await untilEnded(server, name);
  const fast = await rest.follow(path);
  expect(idsOf(await fast.rest())).toEqual(upTo(lastSequence));
  const ids = [...(await text(slow)).matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
  expect(ids).toEqual(upTo(lastSequence));
});

/** Its answer, of which nothing is read yet. */
function open(path: string): Promise<IncomingMessage> {
  const headers = { authorization: `Bearer ${server.token}` };
  return new Promise((resolve, reject) => {
    get(`${server.url}${path}`, { headers, agent: false }, resolve).on("error", reject);
  });
}

test("200 that follow at once all hear, and leave nothing behind", async () => {
  const openFiles = async () => (await readdir(`/proc/${String(server.process.pid)}/fd`)).length;
  const before = await openFiles();
  const readers = await Promise.all(upTo(200).map(() => open(eventsOf("crowd"))));
  const heard = readers.map(
    (reader) =>
      new Promise<void>((resolve) => {
        let all = "";
        reader.setEncoding("utf8").on("data", (part: string) => {
          all += part;
          if (/"status":"SUCCEEDED".*\n\n$/.test(all)) resolve();
        });
      }),
  );
  const { id } = await dispatch(server, { parentSession: "crowd", repository, task: "true" });
  await Promise.all(heard);
  for (const reader of readers) reader.destroy();
  await eventually(async () => (await openFiles()) <= before + 10);
  await untilEnded(server, id);
});

test("a server that stops ends them, and the next goes on where they were", async () => {
  const gate = await createGate();
  const { name } = await dispatch(server, {
    parentSession: "stop",
    repository,
    task: `echo here; ${gate.wait}`,
  });
  await untilPrinted(server, name, "here");
  const worker = await rest.follow(`${eventsOf(name)}?after=0`);
  const parent = await rest.follow(`${eventsOf("stop")}?after=0`);
  await worker.take(4);
  await parent.take(3);
  // A connection that is cut would be an error.
  const ended = Promise.all([worker.rest(), parent.rest()]);
  expect(await server.terminate()).toBe(0);
  expect(await ended).toEqual([[], []]);

  server = await server.restart();
  rest = await openRest(server);
  const again = await rest.follow(eventsOf(name), { headers: { "Last-Event-ID": "4" } });
  await gate.open();
  expect((await again.rest()).map(({ id, data }) => [id, data["status"]])).toEqual([
    [5, "SUCCEEDED"],
  ]);
});
