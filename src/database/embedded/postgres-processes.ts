// Which processes are Postgres on our data folder, read from /proc: a number alone proves nothing,
// since the system gives the number of an ended process to another one.
import { readdir, readFile, readlink } from "node:fs/promises";
import { basename } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isMissing } from "../error-code.ts";

/** Neither the end of somebody else's child nor Postgres's status file can be awaited as an event. */
export const pollIntervalMs = 20;

/** Whether the process is a postmaster on this data folder. A zombie has no command line: it isn't. */
export async function isPostmasterOf(pid: number, dataFolder: string): Promise<boolean> {
  try {
    const parts = (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0");
    const folder = parts[parts.indexOf("-D") + 1];
    return basename(parts[0] ?? "") === "postgres" && folder === dataFolder;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** Every Postgres process that works in this data folder, the children of a killed postmaster included. */
export async function findPostgresProcesses(dataFolder: string): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => ((await worksIn(pid, dataFolder)) ? pid : 0)),
  );
  return found.filter((pid) => pid !== 0);
}

async function worksIn(pid: number, dataFolder: string): Promise<boolean> {
  try {
    if ((await readlink(`/proc/${pid}/cwd`)) !== dataFolder) return false;
    // Children call themselves "postgres: …"; a shell that somebody left in the folder doesn't.
    const [program] = (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0");
    return /^postgres(:|$)/.test(basename(program?.split(" ")[0] ?? ""));
  } catch {
    // Gone meanwhile, or another user's: Postgres on our folder runs as a user whose processes we can read.
    return false;
  }
}

/** Waits until `ended` says so. Returns false when the time is over first. */
export async function waitUntil(
  ended: () => Promise<boolean>,
  timeoutMs: number,
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!(await ended())) {
    if (performance.now() >= deadline) return false;
    await delay(pollIntervalMs);
  }
  return true;
}
