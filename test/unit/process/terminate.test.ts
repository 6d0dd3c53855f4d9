import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "@jest/globals";
import { isAlive } from "../../../src/process/identity.ts";
import { launch } from "../../../src/process/launch.ts";
import { hasEnded, readProcess } from "../../../src/process/proc.ts";
import { findLeftovers, terminateAll } from "../../../src/process/terminate.ts";
import type { Session } from "./sessions.ts";
import { environment, eventually, exitOf, stdoutWith, useSessions } from "./sessions.ts";

const sessions = useSessions();

function terminate({ identity }: Session, graceMs: number, endedTick?: number) {
  return terminateAll({ identity, nonce: identity.nonce, graceMs, endedTick });
}

function isRunning(pid: number): boolean {
  const facts = readProcess(pid);
  return facts !== undefined && !hasEnded(facts);
}

/** The pid that the agent printed as `name=123.`. */
async function printedPid(session: Session, name: string): Promise<number> {
  const output = await stdoutWith(session, `${name}=`);
  return Number(new RegExp(`${name}=(\\d+)\\.`).exec(output)![1]);
}

describe("ending a worker", () => {
  test("one that obeys SIGTERM is gone long before the grace period, and its end is told", async () => {
    const session = await sessions.runScript("echo up; exec sleep 1000");
    await stdoutWith(session, "up");
    const started = performance.now();
    const report = await terminate(session, 60_000);
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(report).toEqual({
      signalled: [
        {
          pid: session.identity.agent.pid,
          startTime: session.identity.agent.startTime,
          signals: ["SIGTERM"],
        },
      ],
      forced: false,
      remaining: [],
    });
    expect(await exitOf(session)).toMatchObject({ exitCode: null, signal: "SIGTERM" });
  });

  test("one that cleans up at SIGTERM has the time for it", async () => {
    const session = await sessions.runScript(
      "trap 'sleep 0.3; echo cleaned; exit 3' TERM; echo up; while :; do sleep 0.05; done",
    );
    await stdoutWith(session, "up");
    expect(await terminate(session, 20_000)).toMatchObject({ forced: false, remaining: [] });
    expect(await exitOf(session)).toMatchObject({ exitCode: 3 });
    expect(await stdoutWith(session, "cleaned")).toContain("cleaned");
  });

  test("one that ignores SIGTERM is gone after the grace, with its grandchildren in sessions of their own", async () => {
    const session = await sessions.runScript(
      `trap '' TERM
       setsid bash -c 'trap "" TERM; echo own-session=$$.; while :; do sleep 0.1; done' &
       bash -c 'echo in-group=$$.; while :; do sleep 0.1; done' &
       echo up; while :; do sleep 0.1; done`,
    );
    const pids = [
      session.identity.agent.pid,
      await printedPid(session, "own-session"),
      await printedPid(session, "in-group"),
    ];
    await stdoutWith(session, "up");
    const report = await terminate(session, 300);
    expect(report).toMatchObject({ forced: true, remaining: [] });
    expect(pids.filter(isRunning)).toEqual([]);
    expect(await exitOf(session)).toMatchObject({ exitCode: null, signal: "SIGKILL" });
  });

  test("an orphan in a session of its own is found by the nonce", async () => {
    const session = await sessions.runScript(
      "(setsid bash -c 'trap \"\" TERM; echo orphan=$$.; while :; do sleep 0.1; done' &) ; exec sleep 1000",
    );
    const pid = await printedPid(session, "orphan");
    await eventually(() => readProcess(pid)?.parentPid !== session.identity.agent.pid);
    expect((await findLeftovers(session.identity.nonce)).map((found) => found.pid)).toContain(pid);
    await terminate(session, 100);
    expect(isRunning(pid)).toBe(false);
  });

  test("a child with a cleared environment is found by its parents", async () => {
    const session = await sessions.runScript(
      "setsid env -i /bin/bash -c 'echo cleared=$$.; while :; do /bin/sleep 0.1; done'; true",
    );
    const pid = await printedPid(session, "cleared");
    await terminate(session, 1000);
    expect(isRunning(pid)).toBe(false);
  });

  test("what left its session twice with a cleared environment is found, while the agent runs and after it", async () => {
    const escape = (name: string) =>
      `setsid env -i /bin/bash -c 'setsid env -i /bin/bash -c "echo ${name}=\\$\\$.; exec sleep 1000" & exit' &`;
    for (const [end, last] of [
      ["exec sleep 1000", false],
      ["exit 3", true],
    ] as const) {
      const session = await sessions.runScript(`${escape("far")} wait; ${end}`);
      const pid = await printedPid(session, "far");
      await eventually(() => readProcess(pid)?.session === pid);
      const outcome = last ? await exitOf(session) : undefined;
      const endedTick = outcome?.kind === "exited" ? outcome.endedTick : undefined;
      expect(isRunning(pid)).toBe(true);
      expect(await terminate(session, 5_000, endedTick)).toMatchObject({ remaining: [] });
      expect(isRunning(pid)).toBe(false);
      expect(existsSync(session.identity.cgroup ?? "/no group")).toBe(false);
    }
  });

  test("what it started at the last moment is ended too", async () => {
    const session = await sessions.runScript(
      `trap "setsid bash -c 'trap : TERM; echo late=\\$\\$.; while :; do sleep 0.1; done' & exit 0" TERM
       echo up; while :; do sleep 0.05; done`,
    );
    await stdoutWith(session, "up");
    expect(await terminate(session, 1000)).toMatchObject({ remaining: [] });
    // The shim ends by itself then, at most 0.1 s after it; what ignores SIGTERM never would.
    await eventually(async () => (await findLeftovers(session.identity.nonce)).length === 0);
  });

  test("one that was stopped is woken to end", async () => {
    const session = await sessions.runScript("kill -STOP $$; exit 0");
    await eventually(() => readProcess(session.identity.agent.pid)?.state === "T");
    const report = await terminate(session, 20_000);
    expect(report).toMatchObject({ forced: false, remaining: [] });
    expect(report.signalled[0]!.signals).toEqual(["SIGTERM", "SIGCONT"]);
  });

  test("its shim is left to write down the end", async () => {
    const session = await sessions.runScript("trap '' TERM; echo up; while :; do sleep 0.1; done");
    await stdoutWith(session, "up");
    const report = await terminate(session, 100);
    expect(report.signalled.map(({ pid }) => pid)).not.toContain(session.identity.shim.pid);
    expect(await exitOf(session)).toMatchObject({ signal: "SIGKILL" });
  });

  test("one whose shim was killed is ended all the same", async () => {
    const session = await sessions.runScript("env -i /bin/sleep 1000 & echo child=$!.; wait");
    const child = await printedPid(session, "child");
    process.kill(session.identity.shim.pid, "SIGKILL");
    await eventually(() => !isAlive(session.identity, "shim"));
    expect(await terminate(session, 1000)).toMatchObject({ remaining: [] });
    expect(isAlive(session.identity)).toBe(false);
    expect(isRunning(child)).toBe(false);
  });

  test("aborting leaves who is still there, and says so", async () => {
    const session = await sessions.runScript("trap '' TERM; echo up; while :; do sleep 0.1; done");
    await stdoutWith(session, "up");
    const report = await terminateAll({
      identity: session.identity,
      nonce: session.identity.nonce,
      graceMs: 60_000,
      signal: AbortSignal.timeout(100),
    });
    expect(report.forced).toBe(false);
    expect(report.remaining.map(({ pid }) => pid)).toContain(session.identity.agent.pid);
    expect(isAlive(session.identity)).toBe(true);
  });
});

describe("after the agent's own end", () => {
  test("what it left behind is ended", async () => {
    const session = await sessions.runScript(
      `setsid sleep 1000 & echo a=$!.
       sleep 1000 & echo b=$!.
       env -i /bin/sleep 1000 & echo c=$!.
       exit 0`,
    );
    const outcome = await exitOf(session);
    const pids = [
      await printedPid(session, "a"),
      await printedPid(session, "b"),
      await printedPid(session, "c"),
    ];
    expect(pids.filter(isRunning)).toEqual(pids);
    // The last one carries no nonce and has lost its parents: it is known by the shim's session and its group.
    const report = await terminate(
      session,
      1000,
      outcome.kind === "exited" ? outcome.endedTick : undefined,
    );
    expect(report.remaining).toEqual([]);
    expect(pids.filter(isRunning)).toEqual([]);
  });

  test("nothing to end is nothing signalled", async () => {
    const session = await sessions.runScript("exit 0");
    await exitOf(session);
    expect(await terminate(session, 1000)).toEqual({ signalled: [], forced: false, remaining: [] });
  });
});

describe("a stranger", () => {
  /** A session that isn't ours: its leader, and a child in it. Ended after. */
  async function withStranger(use: (leader: number, child: number) => Promise<void>) {
    const stranger = spawn("bash", ["-c", "sleep 1000 & echo $!; wait"], {
      detached: true,
      stdio: ["ignore", "pipe", "ignore"],
    });
    const ended = new Promise((resolve) => stranger.once("exit", resolve));
    try {
      const [printed] = (await once(stranger.stdout, "data")) as [Buffer];
      await use(stranger.pid!, Number(printed.toString()));
    } finally {
      process.kill(-stranger.pid!, "SIGKILL");
      await ended;
    }
  }

  test.each(["agent", "shim"] as const)(
    "that was given the pid of a dead %s is never signalled, nor are its children",
    async (role) => {
      const session = await sessions.runScript("exit 0");
      const outcome = await exitOf(session);
      await eventually(() => !isAlive(session.identity, "shim"));
      // The kernel's clock tick is 10 ms, and no pid is given out again within one.
      const nextTick = performance.now() + 20;
      await eventually(() => performance.now() > nextTick);
      await withStranger(async (leader, child) => {
        const { identity } = session;
        const recycled = {
          agent: { ...identity, agent: { ...identity.agent, pid: leader, processGroup: leader } },
          shim: { ...identity, shim: { ...identity.shim, pid: leader } },
        }[role];
        const { startTime } = readProcess(leader)!;
        expect(startTime).toBeGreaterThan(recycled[role].startTime);
        for (const endedTick of [undefined, outcome.kind === "exited" ? outcome.endedTick : 0]) {
          expect(
            await terminateAll({
              identity: recycled,
              nonce: identity.nonce,
              graceMs: 50,
              endedTick,
            }),
          ).toEqual({ signalled: [], forced: false, remaining: [] });
        }
        expect(isRunning(leader)).toBe(true);
        expect(isRunning(child)).toBe(true);
      });
    },
  );

  test("of another start of the machine is never signalled", async () => {
    const session = await sessions.runScript("exec sleep 1000");
    const identity = { ...session.identity, bootId: "an-earlier-one" };
    expect(await terminateAll({ identity, nonce: identity.nonce, graceMs: 0 })).toEqual({
      signalled: [],
      forced: false,
      remaining: [],
    });
    expect(isAlive(session.identity)).toBe(true);
  });

  test("with a nonce that only begins the same isn't a leftover", async () => {
    const nonce = "nonce-of-one";
    await sessions.runScript("exec sleep 1000", { nonce: `${nonce}-more` });
    expect(await findLeftovers(nonce)).toEqual([]);
  });
});

test("a launch that fell between spawn and identity is found and ended by its nonce alone", async () => {
  const slow = path.join(sessions.base, "slow-bash");
  await writeFile(slow, "#!/bin/bash\nsleep 1000\n", { mode: 0o755 });
  const nonce = "half-launched-one";
  const failed = launch({
    folder: await sessions.createFolder(),
    command: ["true"],
    cwd: "/",
    env: environment,
    nonce,
    bash: slow,
    timeoutMs: 20_000,
  }).catch((error: unknown) => error);
  await eventually(async () => (await findLeftovers(nonce)).length === 2);
  await terminateAll({ identity: undefined, nonce, graceMs: 0 });
  expect(await findLeftovers(nonce)).toEqual([]);
  expect(await failed).toMatchObject({ code: "HOST_FAILURE" });
});
