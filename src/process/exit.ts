import { createHash, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { hostFailure } from "./host-failure.ts";
import type { Identity } from "./identity.ts";
import { isAlive } from "./identity.ts";
import { readBootId, readLiveProcess, type ProcessId } from "./proc.ts";
import { sessionPaths } from "./session-folder.ts";
import { readSmallFile } from "./small-file.ts";
import { sendSignal } from "./terminate.ts";
import { createWake } from "../wake.ts";
import { watchPath } from "../watch-path.ts";

/** Why no program ran: the shim's words in exit.json. */
const startFailure = z.enum([
  "DIRECTORY_UNAVAILABLE",
  "COMMAND_NOT_FOUND",
  "COMMAND_NOT_EXECUTABLE",
]);

const exitSchema = z
  .object({
    exitCode: z.int().min(0).max(255).nullable(),
    signal: z.string().startsWith("SIG").nullable(),
    endedAt: z.iso.datetime(),
    endedTick: z.int().nonnegative(),
    error: startFailure.optional(),
    seal: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .optional(),
  })
  .refine((exit) => (exit.exitCode === null) !== (exit.signal === null));

export interface Exited {
  readonly kind: "exited";
  /** 0 to 255, or null after a signal. */
  readonly exitCode: number | null;
  /** Such as SIGTERM, or null. A program that returns 143 was not ended by a signal. */
  readonly signal: string | null;
  /** ISO 8601, milliseconds, UTC. */
  readonly endedAt: string;
  /** The same in clock ticks since boot, for `terminateAll`. */
  readonly endedTick: number;
  /** Set when the program never ran (exit code 127 or 126); why. */
  readonly startFailure: z.infer<typeof startFailure> | null;
}

export interface Lost {
  readonly kind: "lost";
  /** For people. */
  readonly reason: string;
}

export type ExitOutcome = Exited | Lost;

export interface ExitFile {
  readonly folder: string;
  /** What `launch` was given: a file without its seal is not believed. undefined: any file is, once the shim has ended. */
  readonly exitKey?: string | undefined;
}

export interface WaitForExitOptions extends ExitFile {
  readonly identity: Identity;
  /** Ends the wait, which then rejects with the signal's reason. The worker runs on. */
  readonly signal: AbortSignal;
  /** How often to look whether the shim still lives, in milliseconds. Default 1,000. */
  readonly checkEveryMs?: number;
  /** How long after its agent's end a shim may take to write it down, in milliseconds. Default 30,000. */
  readonly shimWithinMs?: number;
}

/** A file must be synced for it, which a busy disk delays. */
const defaultShimWithinMs = 30_000;

/**
 * Resolves when the agent has ended, also if that was long ago: how, if its shim could write it
 * down, or that it is lost, if the shim was killed. A lost agent may still run: end it.
 *
 * An agent can stop its shim, and put files in its way on which it waits for ever. So once the agent has ended, a
 * stopped shim is continued, and one that doesn't write down the end in time is killed.
 *
 * Fails with HOST_FAILURE when exit.json can't be read.
 */
export async function waitForExit(options: WaitForExitOptions): Promise<ExitOutcome> {
  const { folder, exitKey, identity, signal, checkEveryMs = 1000 } = options;
  const { shimWithinMs = defaultShimWithinMs } = options;
  const wake = createWake();
  let endedAt: number | undefined;
  let wasLate = false;
  // Not the folder: its watch would tell of every line that the worker prints.
  using _watcher = watchPath(sessionPaths(folder).partialExit, wake.notify);
  for (;;) {
    signal.throwIfAborted();
    // The order matters: a shim that is dead now has written before all that it will.
    const alive = isAlive(identity, "shim");
    const outcome = await readExit({ folder, exitKey }).catch((error: unknown) => {
      // Whatever a worker puts in its place, its shim writes the end of it later.
      if (alive) return undefined;
      throw error;
    });
    if (outcome?.kind === "exited" && (exitKey !== undefined || !alive)) {
      return holdToTime(outcome, identity);
    }
    if (!alive) {
      return outcome ?? { kind: "lost", reason: wasLate ? tooLate : explainLoss(identity) };
    }
    if (!isAlive(identity, "agent")) {
      endedAt ??= performance.now();
      wasLate = performance.now() - endedAt >= shimWithinMs;
      urge(identity.shim, wasLate);
    }
    await wake.wait(checkEveryMs, signal);
  }
}

/** What exit.json says now; undefined if there is none, lost if it makes no sense. */
export async function readExit({ folder, exitKey }: ExitFile): Promise<ExitOutcome | undefined> {
  const file = sessionPaths(folder).exit;
  let text;
  try {
    text = await readSmallFile(file);
  } catch (error) {
    throw hostFailure(error, `read ${file}`);
  }
  if (text === undefined) {
    return undefined;
  }
  const parsed = exitSchema.safeParse(parseJson(text));
  if (!parsed.success) {
    return { kind: "lost", reason: "exit.json is damaged, so how the worker ended is unknown" };
  }
  if (exitKey !== undefined && !isSealed(text, exitKey)) {
    return {
      kind: "lost",
      reason: "exit.json was not written by the worker's shim, so how the worker ended is unknown",
    };
  }
  const { error, seal: _, ...exit } = parsed.data;
  return { kind: "exited", ...exit, startFailure: error ?? null };
}

/** See write_exit in shim.sh. */
function isSealed(text: string, key: string): boolean {
  const [, record, seal] = /^(\{[^\n]*),"seal":"([0-9a-f]{64})"\}\s*$/.exec(text) ?? [];
  if (record === undefined || seal === undefined) return false;
  const expected = createHash("sha256").update(`${key}\n${record}}\n${key}\n`).digest();
  return timingSafeEqual(expected, Buffer.from(seal, "hex"));
}

/** Clocks are set, and files without a seal hold anything. */
function holdToTime(exit: Exited, { startedAt }: Identity): Exited {
  const now = Date.now();
  const from = Math.min(Date.parse(startedAt), now);
  const at = Math.min(Math.max(Date.parse(exit.endedAt), from), now);
  return { ...exit, endedAt: new Date(at).toISOString() };
}

/** Undefined, which no JSON stands for, where the text is none. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const tooLate =
  "the worker's shim did not write down in time how the worker ended, so that is unknown: the worker may have held it up";

function urge(shim: ProcessId, isLate: boolean): void {
  if (isLate) sendSignal(shim, "SIGKILL");
  else if (readLiveProcess(shim)?.state === "T") sendSignal(shim, "SIGCONT");
}

function explainLoss(identity: Identity): string {
  return identity.bootId === readBootId()
    ? "the worker's shim was killed, so how the worker ended is unknown"
    : "the machine was started anew while the worker ran";
}
