// Two servers with one database, one of which loses its way to it.
import { access, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { createDatabase, type TestDatabase } from "../support/postgres.ts";
import { startPostgresProxy, type PostgresProxy } from "../support/postgres-proxy.ts";
import { folderOf, processesOf } from "../support/spool.ts";
import {
  followTalk,
  untilSaid,
  wordsOf,
  writeScriptedAgents,
  type TalkEvent,
} from "../support/talks.ts";
import {
  createGate,
  dispatch,
  eventually,
  followWorker,
  readWorker,
  untilEnded,
  untilPrinted,
} from "../support/workers.ts";

let git: GitServer;
let database: TestDatabase;
let proxy: PostgresProxy;
/** Its way to Postgres leads through the proxy. */
let first: FactoryServer;
let second: FactoryServer | undefined;
const repository = { owner: "acme", name: "app" };
/** For the agents' own files. */
let folder: string;
let env: Readonly<Record<string, string>>;

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app");
  database = await createDatabase();
  proxy = await startPostgresProxy(database.url);
  folder = await mkdtemp(join(tmpdir(), "factory-agents-"));
  const agents = await writeScriptedAgents(folder);
  env = { FACTORY_LEASE: "3", FACTORY_KILL_GRACE: "1", FACTORY_AGENTS: agents };
  first = await startFactory({ git, env, database: { url: proxy.url } });
});

afterAll(async () => {
  await second?.dispose();
  await first.dispose();
  await proxy.close();
  await database.drop();
  await git.stop();
  await rm(folder, { recursive: true });
});

test("fault 15: a runner is cut off and another one takes over: the first comes back and reports success, which is refused", async () => {
  const [early, late] = await Promise.all([createGate(), createGate()]);
  const { id } = await dispatch(first, {
    parentSession: "cut-off",
    repository,
    retries: 1,
    task: `n=$(grep -z ^FACTORY_SESSION_NONCE= /proc/$$/environ | tr -d '\\0')
      echo "attempt \${n##*-}"
      if [ "\${n##*-}" = 1 ]; then ${early.wait}; echo "from the first"; exit 0; fi
      ${late.wait}; echo "from the second"; exit 3`,
  });
  await untilPrinted(first, id, "attempt 1");
  expect(await processesOf(id, 1)).not.toEqual([]);
  await access(folderOf(first, id, 1));

  second = await startFactory({ git, env, database });
  proxy.cutOff();
  const followed = followWorker(second, id, 0);
  await followed.until((all) =>
    all.some(({ workerEvents: { text } }) => text?.includes("attempt 2")),
  );
  // While the second one works on it, the first one's worker ends well, and its server comes back with that.
  await early.open();
  await eventually(async () => (await processesOf(id, 1)).length === 0);
  expect(await readWorker(second, id)).toMatchObject({ status: "RUNNING" });
  proxy.resume();
  // It removes the folder when it has done with that attempt.
  await eventually(() =>
    access(folderOf(first, id, 1)).then(
      () => false,
      () => true,
    ),
  );
  expect(await readWorker(first, id)).toMatchObject({ status: "RUNNING", exitCode: null });
  expect(await processesOf(id, 2)).not.toEqual([]);

  await late.open();
  const ended = await untilEnded(second, id);
  expect(ended).toMatchObject({ status: "FAILED", exitCode: 3 });
  expect(ended.stdout).toBe("attempt 1\nattempt 2\nfrom the second\n");
  expect(ended.events.flatMap(({ status }) => (status === undefined ? [] : [status]))).toEqual([
    ...["QUEUED", "PREPARING", "RUNNING"],
    ...["QUEUED", "PREPARING", "RUNNING", "FAILED"],
  ]);
  expect(ended.events.map(({ sequence }) => sequence)).toEqual(
    ended.events.map((_, index) => index + 1),
  );
  await Promise.all([early, late].map((gate) => gate.dispose()));
});

test("what a lost attempt has cost counts, for its session and its parent", async () => {
  const parentSession = "spender";
  const file = join(folder, "go-on");
  // So that it is the first one that takes it.
  await second?.terminate();
  const { id } = await dispatch(first, {
    parentSession,
    repository,
    agent: "scripted",
    retries: 1,
    task: `do: usage 100 20 1.5\ndo: say spent\ndo: wait-file ${file}\ndo: say done`,
  });
  await untilSaid(first, id, "spent");
  const other = await second!.restart();
  second = other;
  const followed = followTalk(other, id);
  proxy.cutOff();
  const said = (events: readonly { workerEvents: TalkEvent }[]) =>
    wordsOf(events.map(({ workerEvents }) => workerEvents));
  await followed.until((all) => said(all).split("spent").length === 3);
  await writeFile(file, "");
  await followed.completed;
  // Tokens are told at a turn's end, which the first attempt didn't come to.
  const usage = { inputTokens: 100, outputTokens: 20, costUsd: 3 };
  const document = `query ($id: ID!, $name: String!) {
    workerSession(id: $id) { status usage { inputTokens outputTokens costUsd } }
    parentSession(name: $name) { usage { inputTokens outputTokens costUsd } }
  }`;
  expect(await other.query(document, { id, name: parentSession })).toEqual({
    workerSession: { status: "SUCCEEDED", usage },
    parentSession: { usage },
  });
  const told = followed.messages.flatMap(({ workerEvents }) => workerEvents.usage ?? []);
  expect(told.at(-1)).toEqual(usage);
  proxy.resume();
});
