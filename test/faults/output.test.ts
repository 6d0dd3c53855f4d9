// Output without measure, and no room for it.
import { readFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { readIfThere } from "../../src/git/files.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { processesOf } from "../support/spool.ts";
import {
  createGate,
  dispatch,
  eventually,
  followParent,
  readWorker,
  untilEnded,
  untilPrinted,
} from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
const repository = { owner: "acme", name: "app" };
const env = { FACTORY_SYNC_MAX_AGE: "600" };

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app");
});

afterEach(async () => {
  await server.dispose();
});

afterAll(async () => {
  await git.stop();
});

/** The most memory that the server has ever held, in MiB. Source: proc_pid_status(5), VmHWM. */
async function peakMemory(): Promise<number> {
  const status = await readFile(`/proc/${String(server.process.pid)}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}

test("fault 9: a worker prints without end: the server's memory stays bounded, what is stored is capped and says so", async () => {
  server = await startFactory({ git, env });
  const parentSession = "flood";
  await untilEnded(
    server,
    (await dispatch(server, { parentSession, repository, task: "true" })).id,
  );
  const before = await peakMemory();
  const { id } = await dispatch(server, {
    parentSession,
    repository,
    // More than would fit beside the server's own, on top of what is stored of it.
    task: "head -c 300000000 /dev/zero | tr '\\0' x; echo; echo end",
  });
  await followParent(server, parentSession, 4).first(4);
  expect((await peakMemory()) - before).toBeLessThan(200);

  const { lastSequence, status, exitCode } = await readWorker(server, id);
  expect([status, exitCode]).toEqual(["SUCCEEDED", 0]);
  // The last two tell what became of it.
  const { workerSession } = await server.query<{
    workerSession: { events: { text?: string; status?: string }[] };
  }>(
    `query ($id: ID!, $after: Int) { workerSession(id: $id) { events(after: $after) {
      ... on WorkerOutputEvent { text } ... on WorkerStatusEvent { status }
    } } }`,
    { id, after: lastSequence - 2 },
  );
  const [last, end] = workerSession.events;
  // A busy machine has no time for all that would be kept.
  expect(last?.text).toMatch(
    /\[(output beyond 32 MiB is not kept\]\n$|\d+ bytes of output are not kept\]\n.*end\n$)/s,
  );
  expect(end?.status).toBe("SUCCEEDED");
  // In chunks of 64 KiB at most, 32 MiB are little more events than this.
  expect(lastSequence).toBeLessThan(600);

  // A page of them ends where it has become large, and reading on finds the rest.
  const sequences: number[] = [];
  while (sequences.length < lastSequence) {
    const page = await server.query<{
      workerSession: { events: { sequence: number; text?: string }[] };
    }>(
      `query ($id: ID!, $after: Int) { workerSession(id: $id) { events(after: $after, first: 1000) {
        sequence ... on WorkerOutputEvent { text }
      } } }`,
      { id, after: sequences.length },
    );
    const { events } = page.workerSession;
    expect(events.length).toBeGreaterThan(0);
    const text = events.map((event) => event.text ?? "").join("");
    expect(text.length).toBeLessThan(4_000_000 + 65_536);
    sequences.push(...events.map(({ sequence }) => sequence));
  }
  expect(sequences).toEqual(Array.from({ length: lastSequence }, (_, index) => index + 1));
});

test("fault 34: a terabyte that is none, and half a gigabyte that is: each session ends within 5 s of its agent's end", async () => {
  server = await startFactory({ git, env });
  const parentSession = "terabyte";
  const printed = [
    "echo before; truncate -s 1T /proc/self/fd/1 /proc/self/fd/2; echo behind; date +%s%3N >ended",
    "head -c 500000000 /dev/zero | tr '\\0' x; date +%s%3N >ended",
  ];
  const workers = [];
  for (const task of printed) {
    // One after the other: each would take the processor from the others.
    const { id } = await dispatch(server, { parentSession, repository, task });
    const followed = followParent(server, parentSession, 0);
    await followed.until((all) =>
      all.some(
        ({ workerStatusChanged: { status, worker } }) =>
          status === "SUCCEEDED" && worker.name === `worker-${String(workers.length + 1)}`,
      ),
    );
    followed.end();
    const worker = await readWorker(server, id);
    const agentEnded = Number(await readFile(`${worker.worktree?.path ?? ""}/ended`, "utf8"));
    // 5 s, and what a busy machine takes.
    expect(Date.now() - agentEnded).toBeLessThan(10_000);
    workers.push(worker);
  }
  const { stdout } = await untilEnded(server, workers[0]!.id);
  expect(stdout).toMatch(/^before\n.*\[\d+ bytes of output are not kept\]\n.*behind\n$/s);
  const late = await dispatch(server, {
    parentSession,
    repository,
    task: "truncate -s 1T /proc/self/fd/1; sleep 1000",
    timeoutSeconds: 3,
  });
  expect(await untilEnded(server, late.id)).toMatchObject({ status: "TIMED_OUT" });
});

test("fault 10: the disk under the spool is full: that session FAILED with the reason, the server is up", async () => {
  // A file system of one MiB for the sessions' folders, mounted where this server and its workers alone see
  // it, so that it goes with them. Who isn't root gets the right to mount by a user namespace; where neither
  // is allowed there is no full disk to be had, and the server doesn't start.
  const unshare = process.getuid?.() === 0 ? ["unshare", "-m"] : ["unshare", "-rm"];
  const mount = `mkdir -p "$FACTORY_HOME/sessions" &&
    mount -t tmpfs -o size=1m tmpfs "$FACTORY_HOME/sessions" && exec "$@"`;
  server = await startFactory({
    launcher: [...unshare, "sh", "-c", mount, "sh"],
    git,
    env,
  });
  const gate = await createGate();
  const shared = { parentSession: "full", repository };
  // Takes all the room that there is, and holds it.
  const filler = await dispatch(server, {
    ...shared,
    task: `echo begun; ${gate.wait}; head -c 2000000 /dev/zero >"$TMPDIR/fill"; echo $? >"$PWD/filled"; ${gate.wait}; echo more; exit 7`,
  });
  await untilPrinted(server, filler.id, "begun\n");
  await gate.open();
  const path = (await readWorker(server, filler.id)).worktree?.path ?? "";
  await eventually(async () => (await readIfThere(`${path}/filled`)) === "1\n");

  const refused = await untilEnded(
    server,
    (await dispatch(server, { ...shared, task: "echo never" })).id,
  );
  expect(refused).toMatchObject({
    status: "FAILED",
    failureCode: "HOST_FAILURE",
    stdout: "",
  });
  expect(refused.statusReason).toContain("the disk is full: make room");
  expect(await processesOf(refused.id)).toEqual([]);
  expect((await server.fetch("/readyz")).status).toBe(200);

  // What ends while there is no room has its end all the same: its place was reserved.
  await gate.open();
  expect(await untilEnded(server, filler.id)).toMatchObject({ status: "FAILED", exitCode: 7 });
  // Its folder is gone, and with it what took the room.
  const next = await dispatch(server, { ...shared, task: "echo room" });
  expect(await untilEnded(server, next.id)).toMatchObject({
    status: "SUCCEEDED",
    stdout: "room\n",
  });
  expect(server.process.exitCode).toBeNull();
  await gate.dispose();
});
