// postmaster.pid, Postgres's lock file in its data folder: line 1 the process id, 3 the time of the start, 4 the port, 5 the
// socket's folder, 8 the status. https://www.postgresql.org/docs/18/storage-file-layout.html and
// src/include/utils/pidfile.h of Postgres.
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { isMissing } from "../error-code.ts";

export interface PostmasterFile {
  readonly pid: number;
  /** Seconds since 1970. With the process id it tells one start from another. */
  readonly startedAt: number;
  readonly port: number | undefined;
  readonly socketFolder: string | undefined;
  readonly ready: boolean;
}

const pathIn = (dataFolder: string) => join(dataFolder, "postmaster.pid");

/** undefined: there is none, or not even the process id is written yet. */
export async function readPostmasterFile(dataFolder: string): Promise<PostmasterFile | undefined> {
  let text: string;
  try {
    text = await readFile(pathIn(dataFolder), "utf8");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  const lines = text.split("\n").map((line) => line.trim());
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  // A standalone backend (initdb's, an administrator's) writes its id negated.
  if (!Number.isSafeInteger(pid) || pid === 0) return undefined;
  return {
    pid: Math.abs(pid),
    startedAt: Number(lines[2]),
    port: Number.isSafeInteger(port) && port > 0 ? port : undefined,
    socketFolder: lines[4] === undefined || lines[4] === "" ? undefined : lines[4],
    ready: lines[7] === "ready",
  };
}

export async function removePostmasterFile(dataFolder: string): Promise<void> {
  await rm(pathIn(dataFolder), { force: true });
}
