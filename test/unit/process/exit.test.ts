import { execFileSync } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { expect, test } from "@jest/globals";
import { readExit, waitForExit } from "../../../src/process/exit.ts";
import { isAlive } from "../../../src/process/identity.ts";
import { sessionPaths } from "../../../src/process/session-folder.ts";
import { eventually, exitOf, stdoutWith, useSessions, say } from "./sessions.ts";

const sessions = useSessions();
const never = 1_000_000;

test("an end that is long past is found as it was", async () => {
  const session = await sessions.runScript("exit 9");
  const first = await exitOf(session);
  await eventually(() => !isAlive(session.identity, "shim"));
  expect(await exitOf(session)).toEqual(first);
  expect(first).toMatchObject({ kind: "exited", exitCode: 9 });
});

test("an end is noticed by itself, before the next check", async () => {
  const folder = await sessions.createFolder({ hasInput: true });
  const session = await sessions.runScript("read -r line; exit 9", { folder });
  const outcome = waitForExit({
    ...session,
    checkEveryMs: never,
    signal: AbortSignal.timeout(20_000),
  });
  await say(folder, "go on\n");
  expect(await outcome).toMatchObject({ exitCode: 9 });
});

test("a worker whose shim was killed is lost, though its agent runs", async () => {
  const session = await sessions.runScript("echo up; exec sleep 1000");
  await stdoutWith(session, "up");
  const outcome = exitOf(session);
  process.kill(session.identity.shim.pid, "SIGKILL");
  expect(await outcome).toEqual({
    kind: "lost",
    reason: "the worker's shim was killed, so how the worker ended is unknown",
  });
  expect(isAlive(session.identity)).toBe(true);
});

test("a worker of an earlier start of the machine is lost", async () => {
  const session = await sessions.runScript("exec sleep 1000");
  const identity = { ...session.identity, bootId: "an-earlier-one" };
  expect(await exitOf({ ...session, identity })).toEqual({
    kind: "lost",
    reason: "the machine was started anew while the worker ran",
  });
});

test.each(["", "{", "null", '{"exitCode":"0"}', '{"exitCode":null,"signal":null}', "\0\xFF"])(
  "a damaged exit.json means lost: %j",
  async (text) => {
    const session = await sessions.runScript("exit 0");
    await exitOf(session);
    await eventually(() => !isAlive(session.identity, "shim"));
    await writeFile(sessionPaths(session.folder).exit, text, "latin1");
    expect(await exitOf(session)).toEqual({
      kind: "lost",
      reason: expect.stringContaining("damaged"),
    });
  },
);

test("what a worker put in exit.json's place is no end while its shim lives, and blocks nothing", async () => {
  const folder = await sessions.createFolder({ hasInput: true });
  const session = await sessions.runScript("read -r line; exit 7", { folder });
  const { exit } = sessionPaths(folder);
  await writeFile(exit, "nonsense");
  const outcome = waitForExit({
    ...session,
    checkEveryMs: 20,
    signal: AbortSignal.timeout(20_000),
  });
  await eventually(async () => (await readExit(session))?.kind === "lost");
  await say(folder, "go on\n");
  expect(await outcome).toMatchObject({ exitCode: 7 });

  await rm(exit);
  execFileSync("mkfifo", [exit]);
  await expect(exitOf(session)).rejects.toMatchObject({ code: "HOST_FAILURE" });
});

test("an end that another process wrote is not believed, before the shim's own nor after it", async () => {
  const folder = await sessions.createFolder({ hasInput: true });
  // All that a worker can know: the folder, and what another session's end looks like.
  const other = await sessions.runScript("exit 0");
  await exitOf(other);
  const forged = await readFile(sessionPaths(other.folder).exit, "utf8");
  const session = await sessions.runScript("read -r line; exit 7", { folder, exitKey: "its own" });
  const { exit } = sessionPaths(folder);
  const outcome = waitForExit({
    ...session,
    exitKey: "its own",
    checkEveryMs: 20,
    signal: AbortSignal.timeout(20_000),
  });
  await writeFile(exit, forged);
  expect(await readExit({ folder, exitKey: "its own" })).toMatchObject({ kind: "lost" });
  await say(folder, "go on\n");
  expect(await outcome).toMatchObject({ exitCode: 7 });

  await eventually(() => !isAlive(session.identity, "shim"));
  const own = await readFile(exit, "utf8");
  await writeFile(exit, own.replace('"exitCode":7', '"exitCode":0'));
  const signal = AbortSignal.timeout(20_000);
  expect(await waitForExit({ ...session, exitKey: "its own", signal })).toEqual({
    kind: "lost",
    reason: expect.stringContaining("not written by the worker's shim"),
  });
});

test.each([
  ["a folder in the place of the end", "mkdir -p exit.json/deep"],
  ["a link in the place of the end", "ln -s /dev/full exit.json"],
  ["a FIFO for the space of the end", "rm exit.json.partial; mkfifo exit.json.partial"],
  ["a folder for the space of the end", "rm exit.json.partial; mkdir -p exit.json.partial/deep"],
  ["a link for the space of the end", "ln -sf /dev/null exit.json.partial"],
  ["no space for the end", "rm exit.json.partial"],
])("an end is told whatever its worker left: %s", async (_, leave) => {
  const script = `cd "$(dirname "$(readlink "/proc/$$/fd/1")")" && ${leave}; exit 7`;
  const session = await sessions.runScript(script);
  const signal = AbortSignal.timeout(20_000);
  expect(await waitForExit({ ...session, checkEveryMs: 20, signal })).toMatchObject({
    kind: "exited",
    exitCode: 7,
  });
});

test("a shim that its worker has stopped goes on at the worker's end", async () => {
  const session = await sessions.runScript('kill -STOP "$PPID"; exit 7');
  expect(await exitOf(session)).toMatchObject({ kind: "exited", exitCode: 7 });
});

test.each([
  ["a FIFO for its list of jobs", "rm job-state; mkfifo job-state"],
  ["a failure without an end", "truncate -s 1T start-failure"],
])("a shim that its worker holds up is killed after the worker's end: %s", async (_, hold) => {
  const script = `cd "$(dirname "$(readlink "/proc/$$/fd/1")")" && ${hold}; exit 7`;
  const session = await sessions.runScript(script);
  const signal = AbortSignal.timeout(20_000);
  expect(await waitForExit({ ...session, checkEveryMs: 20, shimWithinMs: 200, signal })).toEqual({
    kind: "lost",
    reason: expect.stringContaining("did not write down in time"),
  });
  await eventually(() => !isAlive(session.identity, "shim"));
});

test("a time of the end is held to between the start and now", async () => {
  const session = await sessions.runScript("exit 0");
  await exitOf(session);
  await eventually(() => !isAlive(session.identity, "shim"));
  const { exit } = sessionPaths(session.folder);
  const text = await readFile(exit, "utf8");
  for (const time of ["2099-01-01T00:00:00.000Z", "1999-01-01T00:00:00.000Z"]) {
    await writeFile(exit, text.replace(/"endedAt":"[^"]*"/, `"endedAt":"${time}"`));
    const { folder, identity } = session;
    const signal = AbortSignal.timeout(20_000);
    const outcome = await waitForExit({ folder, identity, signal });
    const endedAt = Date.parse(outcome.kind === "exited" ? outcome.endedAt : "");
    expect(endedAt).toBeGreaterThanOrEqual(Date.parse(identity.startedAt));
    expect(endedAt).toBeLessThanOrEqual(Date.now());
  }
});

test("aborting ends the wait and not the worker", async () => {
  const session = await sessions.runScript("exec sleep 1000");
  const stop = new AbortController();
  const outcome = waitForExit({ ...session, checkEveryMs: never, signal: stop.signal });
  stop.abort(new Error("the server stops"));
  await expect(outcome).rejects.toThrow("the server stops");
  expect(isAlive(session.identity)).toBe(true);
});
