import { spawn, type ChildProcess } from "node:child_process";
import { open } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { FactoryError } from "../../errors.ts";
import { untilAborted } from "../../until-aborted.ts";
import { errorCodeOf } from "../error-code.ts";
import { readLogTail, rotateLog, sizeOfLog } from "./log-file.ts";
import { isPostmasterOf, waitUntil } from "./postgres-processes.ts";
import { readPostmasterFile, type PostmasterFile } from "./postmaster-file.ts";
import { serverArguments, type ServerSettings } from "./settings.ts";
import type { Layout } from "./layout.ts";
import type { Owner } from "./owner.ts";

/** Recovery after a crash reads up to max_wal_size; beyond this time something else is wrong. */
const startTimeoutMs = 60_000;
/** For a fast shutdown: it writes a last checkpoint. */
const fastStopMs = 5_000;
/** For an immediate one, after which the next start recovers. Postgres itself kills its children after 5 s. */
const immediateStopMs = 10_000;
const lookEveryMs = 1_000;

/** A running Postgres, whoever started it. */
export interface Postmaster {
  readonly pid: number;
  hasEnded(): Promise<boolean>;
  /** Resolves when it has ended, with how where that can be known. Rejects when the signal is aborted. */
  untilEnded(signal: AbortSignal): Promise<PostmasterEnd>;
}

export interface PostmasterEnd {
  readonly code?: number | null;
  readonly signal?: NodeJS.Signals | null;
}

export interface LaunchOptions extends Omit<ServerSettings, "dataFolder"> {
  readonly postgres: string;
  readonly layout: Layout;
  readonly owner: Owner;
  /** Gives the start up. */
  readonly signal?: AbortSignal | undefined;
}

/** A postmaster of another process, known by its command line. */
export function adoptPostmaster(pid: number, dataFolder: string): Postmaster {
  const hasEnded = async () => !(await isPostmasterOf(pid, dataFolder));
  return {
    pid,
    hasEnded,
    async untilEnded(signal) {
      // No event tells of the end of a process that isn't our child.
      while (!(await hasEnded())) await delay(lookEveryMs, undefined, { signal });
      return {};
    },
  };
}

/**
 * Starts Postgres and waits until it takes connections.
 * @throws FactoryError HOST_FAILURE with the last lines of its log.
 */
export async function launchPostmaster(options: LaunchOptions): Promise<Postmaster> {
  const { layout, owner } = options;
  await rotateLog(layout);
  const logStart = await sizeOfLog(layout);
  const stale = await readPostmasterFile(layout.data);
  const log = await open(layout.log, "a", 0o600);
  let child: ChildProcess;
  try {
    child = spawn(options.postgres, serverArguments({ ...options, dataFolder: layout.data }), {
      ...owner,
      cwd: layout.folder,
      // Nothing of this process's environment: it holds secrets, and PG… variables that would interfere.
      env: { LC_ALL: "C" },
      // A session of its own: Ctrl-C in our terminal goes to our process group, and Postgres is to stop
      // after us. A file, not a pipe: Postgres outlives a killed server, and a pipe would break.
      detached: true,
      stdio: ["ignore", log.fd, log.fd],
    });
    await spawned(child);
  } catch (error) {
    throw new FactoryError("HOST_FAILURE", `The embedded Postgres can't be run: ${String(error)}`, {
      cause: error,
    });
  } finally {
    await log.close();
  }
  child.unref();
  const { promise: ended, resolve: end } = Promise.withResolvers<PostmasterEnd>();
  child.once("exit", (code, signal) => end({ code, signal }));
  const postmaster: Postmaster = {
    pid: child.pid ?? 0,
    hasEnded: () => Promise.resolve(child.exitCode !== null || child.signalCode !== null),
    untilEnded: (signal) => untilAborted(ended, signal),
  };
  try {
    await waitForReadiness(postmaster, layout, { logStart, stale, signal: options.signal });
  } catch (error) {
    await stopPostmaster(postmaster, layout);
    throw error;
  }
  return postmaster;
}

/** Resolves when the program runs; rejects where it could not be executed (EACCES, ENOENT, EPERM). */
function spawned(child: ChildProcess): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  child.once("spawn", () => resolve(undefined));
  child.once("error", reject);
  return promise;
}

/**
 * Waits until the postmaster takes connections. Its status line is how Postgres's own pg_ctl knows, which
 * polls it too (wait_for_postmaster_start in src/bin/pg_ctl/pg_ctl.c).
 * @throws FactoryError HOST_FAILURE when it ends first, or isn't ready in time.
 */
export async function waitForReadiness(
  postmaster: Postmaster,
  layout: Layout,
  options: {
    readonly logStart: number;
    readonly stale?: PostmasterFile | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<void> {
  const { logStart, stale, signal } = options;
  const state = { ready: false, ended: false };
  await waitUntil(async () => {
    const file = await readPostmasterFile(layout.data);
    // In a container that starts again, the new process often has the killed one's number.
    const isStale = file?.pid === stale?.pid && file?.startedAt === stale?.startedAt;
    state.ready = file?.pid === postmaster.pid && file.ready && !isStale;
    state.ended = await postmaster.hasEnded();
    return state.ready || state.ended || signal?.aborted === true;
  }, startTimeoutMs);
  signal?.throwIfAborted();
  if (state.ready && !state.ended) return;
  const why = state.ended
    ? "ended while starting"
    : `was not ready after ${startTimeoutMs / 1000} s`;
  const tail = await readLogTail(layout, logStart);
  throw new FactoryError(
    "HOST_FAILURE",
    `The embedded Postgres ${why}. The end of ${layout.log}:\n${tail === "" ? "(nothing)" : tail}`,
  );
}

/**
 * Stops Postgres: a fast shutdown, which ends all connections and writes everything to disk, then, after a
 * grace period, an immediate one. The signals' meaning:
 * https://www.postgresql.org/docs/18/server-shutdown.html
 * @throws FactoryError HOST_FAILURE when it survives both.
 */
export async function stopPostmaster(postmaster: Postmaster, layout: Layout): Promise<void> {
  if (await endedAfter(postmaster, "SIGINT", fastStopMs)) return;
  if (await endedAfter(postmaster, "SIGQUIT", immediateStopMs)) return;
  const tail = await readLogTail(layout, 0);
  throw new FactoryError(
    "HOST_FAILURE",
    `The embedded Postgres (process ${postmaster.pid}) does not stop. The end of ${layout.log}:\n${tail}`,
  );
}

async function endedAfter(
  postmaster: Postmaster,
  signal: NodeJS.Signals,
  graceMs: number,
): Promise<boolean> {
  // Asked again right before each signal, so that it reaches no other process with the same number.
  if (await postmaster.hasEnded()) return true;
  try {
    process.kill(postmaster.pid, signal);
  } catch (error) {
    if (errorCodeOf(error) === "ESRCH") return true;
    throw error;
  }
  return waitUntil(() => postmaster.hasEnded(), graceMs);
}
