import { readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { codeOf } from "./host-failure.ts";

/** A process, told apart from every other of this boot: a pid alone is given out again. */
export interface ProcessId {
  readonly pid: number;
  /** Clock ticks (hundredths of a second) since boot, proc(5) field 22. */
  readonly startTime: number;
}

export interface ProcessFacts extends ProcessId {
  readonly parentPid: number;
  readonly processGroup: number;
  readonly session: number;
  /** One letter of proc(5), such as R, S, T (stopped), Z (zombie). */
  readonly state: string;
  readonly threads: number;
}

/** The variable that a session's processes carry, wherever they go. */
export const nonceVariable = "FACTORY_SESSION_NONCE";

/** Gone meanwhile, or not ours to look at. */
const unreadable = new Set(["ENOENT", "ESRCH", "EACCES", "EPERM"]);

/** A new one at each start of the machine; recorded pids of another boot mean nothing. */
export function readBootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/** Reads /proc/<pid>/stat; undefined when there is no such process. Microseconds, hence sync. */
export function readProcess(pid: number): ProcessFacts | undefined {
  try {
    return parseStat(pid, readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch (error) {
    if (unreadable.has(codeOf(error) ?? "")) {
      return undefined;
    }
    throw error;
  }
}

/** The name in parentheses may hold spaces and parentheses itself, so fields count from the last one. */
export function parseStat(pid: number, stat: string): ProcessFacts {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    pid,
    state: fields[0] ?? "",
    parentPid: Number(fields[1]),
    processGroup: Number(fields[2]),
    session: Number(fields[3]),
    threads: Number(fields[17]),
    startTime: Number(fields[19]),
  };
}

/** A zombie has ended, unless it is a main thread that left others behind (pthread_exit(3)). */
export function hasEnded(facts: ProcessFacts): boolean {
  return facts.state === "X" || (facts.state === "Z" && facts.threads <= 1);
}

/** The process if it is still this one and has not ended. */
export function readLiveProcess(id: ProcessId): ProcessFacts | undefined {
  const facts = readProcess(id.pid);
  return facts?.startTime === id.startTime && !hasEnded(facts) ? facts : undefined;
}

/**
 * Whether the process is the first one of a pid namespace below this process's own. False when it is gone.
 * Source: proc_pid_status(5), "NSpid": its numbers from the reader's namespace inwards.
 */
export function isNamespaceInit(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    const numbers = /^NSpid:((?:\s+\d+)+)$/m.exec(status)?.[1]?.trim().split(/\s+/) ?? [];
    return numbers.length > 1 && numbers.at(-1) === "1";
  } catch (error) {
    if (unreadable.has(codeOf(error) ?? "")) {
      return false;
    }
    throw error;
  }
}

/** Every process that has not ended. Leaves the event loop free between batches. */
export async function listProcesses(): Promise<ProcessFacts[]> {
  const found: ProcessFacts[] = [];
  let read = 0;
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) {
      continue;
    }
    const facts = readProcess(Number(name));
    if (facts !== undefined && !hasEnded(facts)) {
      found.push(facts);
    }
    read += 1;
    if (read % 50 === 0) {
      await setImmediate();
    }
  }
  return found;
}

/** Whether the process was started with this session's nonce in its environment. */
export async function carriesNonce(pid: number, nonce: string): Promise<boolean> {
  try {
    // Variables end with NUL each; one put before makes the first like all others.
    const environment = `\0${await readFile(`/proc/${pid}/environ`, "latin1")}\0`;
    return environment.includes(`\0${nonceVariable}=${nonce}\0`);
  } catch (error) {
    if (unreadable.has(codeOf(error) ?? "")) {
      return false;
    }
    throw error;
  }
}
