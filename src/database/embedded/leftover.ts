// What a killed server may have left: a living Postgres, or a lock file that names a process which is
// gone or has become another one.
import { FactoryError } from "../../errors.ts";
import { errorCodeOf } from "../error-code.ts";
import { readLogTail, sizeOfLog } from "./log-file.ts";
import { adoptPostmaster, waitForReadiness, type Postmaster } from "./postmaster.ts";
import { findPostgresProcesses, isPostmasterOf, waitUntil } from "./postgres-processes.ts";
import { readPostmasterFile, removePostmasterFile } from "./postmaster-file.ts";
import type { Layout } from "./layout.ts";

/** Children of a killed postmaster end at their next wait; one in a long computation is ended after this. */
const orphansGraceMs = 5_000;
const orphansTimeoutMs = 30_000;

export interface RunningPostgres {
  readonly postmaster: Postmaster;
  readonly socketFolder: string;
  readonly port: number;
  readonly reused: boolean;
}

/**
 * Finds the Postgres that still runs on our data folder, and clears the way for a new one where none does.
 * @throws FactoryError HOST_FAILURE where children of a killed Postgres don't end.
 */
export async function findLeftover(
  layout: Layout,
  signal?: AbortSignal,
): Promise<RunningPostgres | undefined> {
  const file = await readPostmasterFile(layout.data);
  if (file === undefined) return undefined;
  if (await isPostmasterOf(file.pid, layout.data)) {
    const leftover = await awaitLeftover(adoptPostmaster(file.pid, layout.data), layout, signal);
    if (leftover !== undefined) return leftover;
  }
  await awaitOrphans(layout, signal);
  if (isAlive(file.pid)) {
    // Postgres takes any living process of its user for a postmaster and refuses to start. This one isn't,
    // and nothing else of Postgres works in the folder. Where the process is gone, Postgres itself judges
    // the file: it also looks at the shared memory that the file names.
    await removePostmasterFile(layout.data);
  }
  return undefined;
}

/** undefined: it was stopping, and has ended now. */
async function awaitLeftover(
  postmaster: Postmaster,
  layout: Layout,
  signal: AbortSignal | undefined,
): Promise<RunningPostgres | undefined> {
  const logStart = await sizeOfLog(layout);
  try {
    await waitForReadiness(postmaster, layout, { logStart, signal });
  } catch (error) {
    if (await postmaster.hasEnded()) return undefined;
    throw error;
  }
  const file = await readPostmasterFile(layout.data);
  if (file?.pid !== postmaster.pid || file.port === undefined || file.socketFolder === undefined) {
    throw new FactoryError(
      "HOST_FAILURE",
      `The Postgres that runs as process ${postmaster.pid} on ${layout.data} names no socket in its ` +
        `postmaster.pid. Stop it (kill -INT ${postmaster.pid}) and start again.\n${await readLogTail(layout, 0)}`,
    );
  }
  return { postmaster, socketFolder: file.socketFolder, port: file.port, reused: true };
}

async function awaitOrphans(layout: Layout, signal: AbortSignal | undefined): Promise<void> {
  let left: number[] = [];
  const areGone = async () => {
    left = await findPostgresProcesses(layout.data);
    return left.length === 0 || signal?.aborted === true;
  };
  let gone = await waitUntil(areGone, orphansGraceMs);
  // Without their postmaster they serve nobody, and a new one recovers what they had begun.
  for (const pid of gone ? [] : left) endOrphan(pid);
  gone ||= await waitUntil(areGone, orphansTimeoutMs);
  signal?.throwIfAborted();
  if (gone) return;
  throw new FactoryError(
    "HOST_FAILURE",
    `Processes of a killed Postgres still work on ${layout.data}. End them (kill -QUIT ${left.join(" ")}) ` +
      `and start again.`,
  );
}

/** Its immediate shutdown: https://www.postgresql.org/docs/18/server-shutdown.html */
function endOrphan(pid: number): void {
  try {
    process.kill(pid, "SIGQUIT");
  } catch (error) {
    // It has just ended, or isn't ours: the wait that follows tells.
    if (errorCodeOf(error) !== "ESRCH" && errorCodeOf(error) !== "EPERM") throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, and is another user's.
    return errorCodeOf(error) === "EPERM";
  }
}
