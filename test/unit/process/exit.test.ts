import { execFileSync } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
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
  await eventually(async () => (await readExit(folder))?.kind === "lost");
  await say(folder, "go on\n");
  expect(await outcome).toMatchObject({ exitCode: 7 });

  await rm(exit);
  execFileSync("mkfifo", [exit]);
  await expect(exitOf(session)).rejects.toMatchObject({ code: "HOST_FAILURE" });
});

test("aborting ends the wait and not the worker", async () => {
  const session = await sessions.runScript("exec sleep 1000");
  const stop = new AbortController();
  const outcome = waitForExit({ ...session, checkEveryMs: never, signal: stop.signal });
  stop.abort(new Error("the server stops"));
  await expect(outcome).rejects.toThrow("the server stops");
  expect(isAlive(session.identity)).toBe(true);
});
