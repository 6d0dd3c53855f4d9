// A worker's processes: those that die where they shouldn't, those that don't where they should, and strangers.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { Identity } from "../../src/process/identity.ts";
import { readProcess } from "../../src/process/proc.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { queryDatabase } from "../support/inventory.ts";
import { identityOf, nonceOf, processesOf } from "../support/spool.ts";
import {
  cancel,
  createGate,
  dispatch,
  eventually,
  isAlive,
  untilEnded,
  untilPrinted,
  type Gate,
} from "../support/workers.ts";

let git: GitServer;
/** The one that runs now. */
let server: FactoryServer;
let gate: Gate;
const strangers: ChildProcess[] = [];
const repository = { owner: "acme", name: "app" };

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app");
  server = await startFactory({
    git,
    env: {
      FACTORY_KILL_GRACE: "1",
      FACTORY_SYNC_MAX_AGE: "600",
    },
  });
});

afterAll(async () => {
  await server.dispose();
  await git.stop();
});

beforeEach(async () => {
  gate = await createGate();
});

afterEach(async () => {
  await gate.dispose();
  for (const stranger of strangers.splice(0)) {
    const ended = once(stranger, "exit");
    // It leads a session of its own.
    process.kill(-stranger.pid!, "SIGKILL");
    await ended;
  }
});

/**
 * Starts what is hard to end, and tells all process ids: a child in the same session, one in a session of its
 * own, and an orphan in another one. All of them ignore SIGTERM.
 */
const stubborn = `
  trap 'echo asked' TERM
  (trap '' TERM; echo child $BASHPID; sleep 1000 & wait; sleep 1000) &
  setsid bash -c 'trap "" TERM; echo apart $$; sleep 1000; sleep 1000' &
  setsid bash -c 'setsid bash -c "trap \\"\\" TERM; echo far \\$\\$; sleep 1000; sleep 1000" & disown; exit' &
  echo self $$`;
const forEver = "while :; do sleep 1000; done";

async function readIds(id: string): Promise<number[]> {
  const ids: number[] = [];
  for (const word of ["child", "apart", "far", "self"]) {
    const line = new RegExp(`^${word} (\\d+)\n`, "m");
    let text = "";
    await eventually(async () => line.test((text = await untilPrinted(server, id, `${word} `))));
    ids.push(Number(line.exec(text)?.[1]));
  }
  return ids;
}

const livingOf = async (ids: readonly number[]) =>
  (await Promise.all(ids.map(isAlive))).filter(Boolean);

/** Kills the server, and then all of the worker: nobody is left to write down how it ended. */
async function killAll(id: string): Promise<void> {
  await server.kill();
  const all = await processesOf(id);
  for (const pid of all) process.kill(pid, "SIGKILL");
  await eventually(async () => (await livingOf(all)).length === 0);
}

/** Has the database's record of the launch name other processes, as it would once its numbers were given out again. */
async function giveNumbersTo(
  id: string,
  change: (identity: Identity) => Pick<Identity, "agent" | "shim">,
): Promise<void> {
  const identity = await identityOf(server, id);
  const changed = await queryDatabase(
    server,
    `UPDATE "WorkerSession" SET launch = jsonb_set(launch, '{identity}', launch->'identity' || $1)
     WHERE launch->>'nonce' = $2 AND launch->'identity'->'agent' = $3 RETURNING id`,
    [change(identity), nonceOf(id), identity.agent],
  );
  expect(changed).toHaveLength(1);
}

test("fault 3: SIGKILL of the shim: the group is ended, and the session is LOST within 15 s", async () => {
  const { id } = await dispatch(server, {
    parentSession: "shim",
    repository,
    task: `${stubborn}; ${forEver}`,
  });
  const ids = await readIds(id);
  const { shim } = await identityOf(server, id);
  const killed = performance.now();
  process.kill(shim.pid, "SIGKILL");
  const ended = await untilEnded(server, id);
  expect(performance.now() - killed).toBeLessThan(15_000);
  expect(ended).toMatchObject({ status: "LOST", exitCode: null, signal: null });
  expect(ended.statusReason).toContain("shim was killed");
  expect(await livingOf(ids)).toEqual([]);
  expect(await processesOf(id)).toEqual([]);
});

test("fault 5: a recorded pid that now belongs to another process: never signalled, cancelled or not", async () => {
  const hold = `trap '' TERM; echo begun; ${gate.wait}; ${gate.wait}`;
  const workers = await Promise.all(
    ["lost", "cancelled"].map((parentSession) =>
      dispatch(server, { parentSession, repository, task: hold }),
    ),
  );
  const [lost, cancelled] = workers.map(({ id }) => id) as [string, string];
  for (const id of [lost, cancelled]) await untilPrinted(server, id, "begun");
  // Recorded, and nobody is there to carry it out: the next server begins with ending the worker.
  await cancel(server, cancelled);
  await killAll(lost);
  await killAll(cancelled);
  // A pid comes again only after all others; that the recorded numbers are given to a stranger is the same.
  const heard: string[] = [];
  for (const id of [lost, cancelled]) {
    const stranger = spawn(
      "bash",
      ["-c", `trap 'echo TERM' TERM; sleep 1000 & echo $!; while :; do wait; done`],
      { detached: true, stdio: ["ignore", "pipe", "ignore"] },
    );
    strangers.push(stranger);
    stranger.stdout.on("data", (chunk) => heard.push(String(chunk)));
    await once(stranger.stdout, "data");
    const pid = stranger.pid!;
    // One has the number of a shim, whose session it would lead, and one that of an agent.
    await giveNumbersTo(id, ({ agent, shim }) =>
      id === lost
        ? { agent, shim: { ...shim, pid } }
        : { agent: { ...agent, pid, processGroup: pid }, shim },
    );
  }
  const children = heard.map(Number);
  server = await server.restart();
  expect((await untilEnded(server, lost)).status).toBe("LOST");
  expect((await untilEnded(server, cancelled)).status).toBe("CANCELLED");
  expect(heard).toHaveLength(2);
  expect(await livingOf([...strangers.map(({ pid }) => pid!), ...children])).toHaveLength(4);
});

test("fault 6: a zombie counts as ended", async () => {
  const { id } = await dispatch(server, {
    parentSession: "zombie",
    repository,
    task: `echo begun; ${gate.wait}`,
  });
  await untilPrinted(server, id, "begun");
  await killAll(id);
  // A container's first process often waits for no child: the killed shim and agent of a killed server stay
  // zombies there. Here it is the child of one that never waits for it.
  // It ends only when its parent has become a program that doesn't wait.
  const child = `(until read -r name </proc/$$/comm && [ "$name" = sleep ]; do :; done) &
    echo $!; exec sleep 1000`;
  const parent = spawn("bash", ["-c", child], {
    detached: true,
    stdio: ["ignore", "pipe", "ignore"],
  });
  strangers.push(parent);
  const [printed] = (await once(parent.stdout, "data")) as [Buffer];
  const pid = Number(printed.toString());
  await eventually(async () =>
    (await readFile(`/proc/${String(pid)}/stat`, "utf8")).includes(") Z "),
  );
  const { startTime } = readProcess(pid)!;
  await giveNumbersTo(id, () => ({
    agent: { pid, startTime, processGroup: pid },
    shim: { pid, startTime },
  }));
  server = await server.restart();
  const restarted = performance.now();
  expect((await untilEnded(server, id)).status).toBe("LOST");
  // Nobody waited for the zombie to end.
  expect(performance.now() - restarted).toBeLessThan(5_000);
  expect(readProcess(pid)?.state).toBe("Z");
});

test("fault 7: what ignores SIGTERM, with descendants in sessions of their own, is gone after the grace period: cancelled, out of time, or left behind", async () => {
  const shared = { parentSession: "stubborn", repository };
  const [cancelled, late, left] = (
    await Promise.all([
      dispatch(server, { ...shared, task: `${stubborn}; ${forEver}` }),
      dispatch(server, { ...shared, task: `${stubborn}; ${forEver}`, timeoutSeconds: 4 }),
      dispatch(server, { ...shared, task: `${stubborn}; ${gate.wait}; exit 0` }),
    ])
  ).map(({ id }) => id) as [string, string, string];
  const ids = await Promise.all([cancelled, late, left].map(readIds));
  for (const all of ids) expect(await livingOf(all)).toHaveLength(4);
  await cancel(server, cancelled);
  await gate.open();

  expect(await untilEnded(server, cancelled)).toMatchObject({
    status: "CANCELLED",
    signal: "SIGKILL",
    // It was asked before it was killed.
    stdout: expect.stringContaining("asked\n"),
  });
  expect(await untilEnded(server, left)).toMatchObject({ status: "SUCCEEDED", exitCode: 0 });
  expect(await untilEnded(server, late)).toMatchObject({
    status: "TIMED_OUT",
    statusReason: "timed out after 4 s",
    stdout: expect.stringContaining("asked\n"),
  });
  expect(await livingOf(ids.flat())).toEqual([]);
  for (const id of [cancelled, late, left]) expect(await processesOf(id)).toEqual([]);
});

test("fault 8: a grandchild that keeps stdout open: the session ends at the agent's exit", async () => {
  const { id } = await dispatch(server, {
    parentSession: "grandchild",
    repository,
    task: `setsid bash -c 'trap "" TERM; echo grandchild $$; while :; do echo still; sleep 0.02; done' &
      ${gate.wait}; exit 4`,
  });
  const text = await untilPrinted(server, id, "still");
  const grandchild = Number(/grandchild (\d+)/.exec(text)?.[1]);
  expect(await isAlive(grandchild)).toBe(true);
  await gate.open();
  const ended = await untilEnded(server, id);
  expect(ended).toMatchObject({ status: "FAILED", exitCode: 4, statusReason: "exit code 4" });
  expect(await isAlive(grandchild)).toBe(false);
});
