// Two servers with one database, one of which loses its way to it.
import { access } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { createDatabase, type TestDatabase } from "../support/postgres.ts";
import { startPostgresProxy, type PostgresProxy } from "../support/postgres-proxy.ts";
import { folderOf, processesOf } from "../support/spool.ts";
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
const env = { FACTORY_LEASE: "3", FACTORY_KILL_GRACE: "1" };

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app");
  database = await createDatabase();
  proxy = await startPostgresProxy(database.url);
  first = await startFactory({ git, env, database: { url: proxy.url } });
});

afterAll(async () => {
  await second?.dispose();
  await first.dispose();
  await proxy.close();
  await database.drop();
  await git.stop();
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
