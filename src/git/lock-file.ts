// A lock file stopped git: whoever holds it gives it back soon, or is dead.
import { lstat, readlink } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { createWake } from "../wake.ts";
import { watchPath } from "../watch-path.ts";
import { removeAbandoned } from "./abandoned-file.ts";
import { GitFailure } from "./failure.ts";
import { codeOf } from "./files.ts";

export interface LockPatience {
  readonly home: string;
  /** As removeAbandoned's. */
  readonly graceMs: number;
  /** The longest wait, in milliseconds. */
  readonly patienceMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * The lock file that stopped a git, by what it said. It names the lock beside the path that it was given, but
 * makes it beside what a link there leads to (lockfile.c in git's sources).
 */
export async function findLock(failure: unknown): Promise<string | undefined> {
  if (!(failure instanceof GitFailure)) return undefined;
  const locked = /Unable to create '([^']+)\.lock': File exists/.exec(failure.words)?.[1];
  if (locked === undefined) return undefined;
  try {
    return `${resolve(dirname(locked), await readlink(locked))}.lock`;
  } catch (error) {
    // EINVAL: it is no link.
    if (!["EINVAL", "ENOENT"].includes(codeOf(error) ?? "")) throw error;
    return `${locked}.lock`;
  }
}

/**
 * Waits until the lock is given back, or old enough to be removed if a dead git left it. Tells whether it is gone;
 * false: its holder lives, or may do so. @throws the signal's reason
 */
export async function outwaitLock(
  lock: string,
  { home, graceMs, patienceMs, signal }: LockPatience,
): Promise<boolean> {
  const deadline = performance.now() + patienceMs;
  const wake = createWake();
  using _watcher = watchPath(dirname(lock), wake.notify);
  for (;;) {
    signal?.throwIfAborted();
    const age = await readAge(lock);
    if (age === undefined) return true;
    if (age >= graceMs) return await removeAbandoned(lock, { home, graceMs });
    const remaining = deadline - performance.now();
    if (remaining <= 0) return false;
    // The watch is a hint that may be missing, so look now and then as well.
    await wake.wait(Math.min(remaining, graceMs - age, lookAgainMs), signal);
  }
}

const lookAgainMs = 1_000;

/** Milliseconds since it was last written; undefined: it is gone. */
async function readAge(path: string): Promise<number | undefined> {
  try {
    return Date.now() - (await lstat(path)).mtimeMs;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
