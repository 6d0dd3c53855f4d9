import { symlink, writeFile } from "node:fs/promises";
import { describe, expect, test } from "@jest/globals";
import { isAlive, isGenuine, readIdentity } from "../../../src/process/identity.ts";
import { hasEnded, parseStat, readProcess } from "../../../src/process/proc.ts";
import { sessionPaths } from "../../../src/process/session-folder.ts";
import { eventually, exitOf, stdoutWith, useSessions } from "./sessions.ts";

const sessions = useSessions();

describe("a recorded process", () => {
  test("is alive until it has ended", async () => {
    const session = await sessions.runScript("kill -STOP $$");
    expect(isAlive(session.identity, "agent")).toBe(true);
    expect(isAlive(session.identity, "shim")).toBe(true);
    process.kill(session.identity.agent.pid, "SIGKILL");
    await exitOf(session);
    expect(isAlive(session.identity, "agent")).toBe(false);
  });

  test("is not another one with the same pid", async () => {
    const { identity } = await sessions.runScript("exec sleep 1000");
    const { agent } = identity;
    expect(isAlive({ ...identity, agent: { ...agent, startTime: agent.startTime - 1 } })).toBe(
      false,
    );
  });

  test("is not one of an earlier start of the machine", async () => {
    const { identity } = await sessions.runScript("exec sleep 1000");
    expect(isAlive({ ...identity, bootId: "an-earlier-one" })).toBe(false);
  });

  test("has ended when it is a zombie", async () => {
    // `sleep` takes the place of the shell and doesn't know that it has a child to reap.
    const session = await sessions.runScript("sleep 0.1 & echo pid $!.; exec sleep 1000");
    const pid = Number(/pid (\d+)\./.exec(await stdoutWith(session, "."))![1]);
    await eventually(() => readProcess(pid)?.state === "Z");
    const { startTime } = readProcess(pid)!;
    const agent = { pid, startTime, processGroup: pid };
    expect(isAlive({ ...session.identity, agent })).toBe(false);
  });
});

describe("identity.json", () => {
  test("is what launch returned", async () => {
    const { folder, identity } = await sessions.runScript("exit 0");
    const { cgroup: _, capGroups: __, ...told } = identity;
    expect(await readIdentity(folder)).toEqual(told);
  });

  test("that names a process that isn't the worker's is not genuine", async () => {
    const { identity } = await sessions.runScript("exec env -i sleep 1000");
    expect(await isGenuine(identity)).toBe(true);
    const { startTime } = readProcess(process.pid)!;
    const other = { pid: process.pid, startTime };
    expect(await isGenuine({ ...identity, shim: other })).toBe(false);
    expect(await isGenuine({ ...identity, relay: other })).toBe(false);
    const agent = { ...other, processGroup: process.pid };
    expect(await isGenuine({ ...identity, agent })).toBe(false);
    expect(await isGenuine({ ...identity, agent: { ...agent, startTime: 1 } })).toBe(true);
  });

  test("that is absent, empty or half written is none", async () => {
    const folder = await sessions.createFolder();
    expect(await readIdentity(folder)).toBeUndefined();
    for (const text of ["", '{"bootId":']) {
      await writeFile(sessionPaths(folder).identity, text);
      expect(await readIdentity(folder)).toBeUndefined();
    }
  });

  test.each([
    ["nonsense", "nonsense\n"],
    ["a pid that kill(2) takes for many", { shim: { pid: -1, startTime: 1 } }],
    ["the pid of init", { agent: { pid: 1, startTime: 1, processGroup: 1 } }],
    ["a pid that is no whole number", { shim: { pid: 10.5, startTime: 1 } }],
  ])("with %s is refused", async (_case, content) => {
    const { folder, identity } = await sessions.runScript("exit 0");
    await writeFile(
      sessionPaths(folder).identity,
      typeof content === "string" ? content : `${JSON.stringify({ ...identity, ...content })}\n`,
    );
    await expect(readIdentity(folder)).rejects.toMatchObject({ code: "HOST_FAILURE" });
  });

  test("is not followed elsewhere", async () => {
    const other = await sessions.runScript("exit 0");
    const folder = await sessions.createFolder();
    await symlink(sessionPaths(other.folder).identity, sessionPaths(folder).identity);
    await expect(readIdentity(folder)).rejects.toMatchObject({ code: "HOST_FAILURE" });
  });
});

test("a zombie whose other threads run has not ended", () => {
  const withThreads = (threads: number) =>
    hasEnded(
      parseStat(1000, `1000 (a) Z 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 ${threads} 19 47`),
    );
  expect(withThreads(1)).toBe(true);
  expect(withThreads(2)).toBe(false);
});

test("a process's name can't forge its facts", () => {
  const rest = "S 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 1 19 4711 21";
  expect(parseStat(1000, `1000 (a) Z 9 9 9 (b) ${rest}`)).toEqual({
    pid: 1000,
    state: "S",
    parentPid: 2,
    processGroup: 3,
    session: 4,
    threads: 1,
    startTime: 4711,
  });
});
