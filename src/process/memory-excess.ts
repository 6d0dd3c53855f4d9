// Whether a worker went over its memory cap, by what the kernel counts of its control groups.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { createWake } from "../wake.ts";
import { groupsOf } from "./caps.ts";
import { isGone } from "./cgroup.ts";
import type { Identity } from "./identity.ts";

/** The kernel ended processes of a worker for its cap. */
export interface MemoryExcess {
  /** The cap, in bytes. */
  readonly limit: number;
}

/** Version 1 tells of it by a file descriptor alone that Node.js can't make. */
const lookEveryMs = 1000;

/**
 * Resolves once the kernel has ended a process of the session for its memory cap; or, when the signal is aborted, with
 * how it stands then. Without a cap at once.
 */
export async function watchMemory(
  identity: Identity,
  signal: AbortSignal,
): Promise<MemoryExcess | undefined> {
  const groups = await groupsOf(identity.nonce, identity);
  if (!(await hasCap(groups))) return undefined;
  const timer = createWake();
  for (;;) {
    const isLast = signal.aborted;
    const excess = await readMemoryExcess(groups);
    if (excess !== undefined || isLast) return excess;
    await timer.wait(lookEveryMs, signal);
  }
}

async function hasCap(groups: readonly string[]): Promise<boolean> {
  for (const group of groups) {
    for (const file of ["memory.max", "memory.limit_in_bytes"]) {
      if (readLimit(await readIfThere(path.join(group, file))) !== undefined) return true;
    }
  }
  return false;
}

/**
 * @param groups absolute paths; see `groupsOf`
 * @returns undefined: it kept to its cap, has none, or its groups are gone
 */
export async function readMemoryExcess(
  groups: readonly string[],
): Promise<MemoryExcess | undefined> {
  for (const group of groups) {
    const read = (file: string) => readIfThere(path.join(group, file));
    const excess =
      judgeVersion2(await read("memory.events"), await read("memory.max")) ??
      judgeVersion1({
        control: await read("memory.oom_control"),
        most: await read("memory.max_usage_in_bytes"),
        limit: await read("memory.limit_in_bytes"),
      });
    if (excess !== undefined) return excess;
  }
  return undefined;
}

/** Kills count whatever they were for; `oom` counts what happened at the group's own cap. */
export function judgeVersion2(events = "", max = ""): MemoryExcess | undefined {
  const isOver = readCounter(events, "oom") > 0 && readCounter(events, "oom_kill") > 0;
  return isOver ? readLimit(max) : undefined;
}

/**
 * What one request that is refused may ask for: then the group has as much less than its cap. A huge page at most.
 */
const largestRequest = 2 * 2 ** 20;

/**
 * Kills count whatever they were for; the most that the group ever had tells whether it was at its own cap. Not
 * `memory.failcnt`: where swap is capped too, Linux 6.18 counts no failures.
 */
export function judgeVersion1({
  control = "",
  most = "",
  limit: limitText = "",
}: {
  /** memory.oom_control */
  readonly control?: string | undefined;
  /** memory.max_usage_in_bytes */
  readonly most?: string | undefined;
  /** memory.limit_in_bytes */
  readonly limit?: string | undefined;
}): MemoryExcess | undefined {
  const excess = readLimit(limitText);
  if (excess === undefined || readCounter(control, "oom_kill") === 0) return undefined;
  return Number(most) > excess.limit - largestRequest ? excess : undefined;
}

/** "max" is none; so is what version 1 says instead. */
function readLimit(text = ""): MemoryExcess | undefined {
  const limit = Number(text.trim());
  return Number.isSafeInteger(limit) && limit > 0 ? { limit } : undefined;
}

function readCounter(text: string, name: string): number {
  for (const line of text.split("\n")) {
    const [key, value] = line.split(" ");
    if (key === name) return Number(value);
  }
  return 0;
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}
