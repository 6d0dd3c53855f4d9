// What happens to the server, its workers and its connections, at random.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "../../src/git/files.ts";
import { findLeftovers } from "../../src/process/terminate.ts";
import type { Random } from "./random.ts";
import type { World } from "./world.ts";

async function killServer(world: World): Promise<void> {
  await world.replace((server) => server.kill());
}

async function stopServer(world: World): Promise<void> {
  await world.replace(async (server) => {
    const code = await server.terminate();
    if (code !== 0) world.violations.push(`SIGTERM: the server exited with ${String(code)}`);
  });
}

/** Of a worker that runs, as its shim has written them down; undefined where none runs. */
async function pickIdentity(
  world: World,
  random: Random,
): Promise<{ shim: { pid: number }; agent: { pid: number }; nonce: string } | undefined> {
  const nonce = random.pick(await readdir(join(world.home, "sessions")));
  if (nonce === undefined) return undefined;
  try {
    const text = await readFile(join(world.home, "sessions", nonce, "identity.json"), "utf8");
    return JSON.parse(text) as { shim: { pid: number }; agent: { pid: number }; nonce: string };
  } catch {
    // Not there yet, or gone by now.
    return undefined;
  }
}

async function killOne(world: World, random: Random, role: "shim" | "agent"): Promise<void> {
  const identity = await pickIdentity(world, random);
  if (identity === undefined) return;
  const { pid } = identity[role];
  // Its number may be another's by now.
  if (!(await findLeftovers(identity.nonce)).some((process) => process.pid === pid)) return;
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // It ended between the look and the kill.
    if (codeOf(error) !== "ESRCH") throw error;
  }
}

async function breakConnections(world: World, random: Random): Promise<void> {
  const rows = await world.queryDatabase<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND application_name NOT IN ('soak', '')`,
  );
  const doomed = rows.filter(() => random.chance(0.5)).map(({ pid }) => pid);
  await world.queryDatabase("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid", [
    doomed,
  ]);
}

async function breakListener(world: World): Promise<void> {
  await world.queryDatabase(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'factory-notices'`,
  );
}

const faults: Readonly<Record<string, (world: World, random: Random) => Promise<void>>> = {
  killServer,
  stopServer,
  killShim: (world, random) => killOne(world, random, "shim"),
  killAgent: (world, random) => killOne(world, random, "agent"),
  breakConnections,
  breakListener,
};

/** @returns how often each has happened. */
export async function breakAtRandom(
  world: World,
  random: Random,
  signal: AbortSignal,
  pause: () => Promise<unknown>,
): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {};
  while (!signal.aborted) {
    await pause();
    const name = random.pick(Object.keys(faults)) ?? "killServer";
    await faults[name]?.(world, random);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}
