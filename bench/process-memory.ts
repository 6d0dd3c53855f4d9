// Memory by proportional set size: a page that n processes share counts 1/n for each, so that sums are
// true. Source: proc(5), /proc/pid/smaps_rollup.
import { readdir, readFile } from "node:fs/promises";

export interface RunningProcess {
  readonly pid: number;
  readonly parent: number;
  /** As started, arguments included. */
  readonly command: string;
}

export async function listProcesses(): Promise<RunningProcess[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(pids.map(readProcess));
  return found.filter((each) => each !== undefined);
}

async function readProcess(pid: number): Promise<RunningProcess | undefined> {
  const folder = `/proc/${String(pid)}`;
  const [stat, commandLine] = await Promise.all([
    readIfThere(`${folder}/stat`),
    readIfThere(`${folder}/cmdline`),
  ]);
  if (stat === undefined || commandLine === undefined) return undefined;
  // The parent is the second field after the name, which stands in parentheses and may hold anything.
  const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  return { pid, parent, command: commandLine.replaceAll("\0", " ").trim() };
}

/** The processes that the process has started, and those that they have started, and so on. */
export function descendantsOf(
  ancestors: readonly number[],
  processes: readonly RunningProcess[],
): RunningProcess[] {
  const children = processes.filter(({ parent }) => ancestors.includes(parent));
  if (children.length === 0) return [];
  const pids = children.map(({ pid }) => pid);
  return [...children, ...descendantsOf(pids, processes)];
}

/** In MB of a million bytes; 0 for a process that has ended. */
export async function readMemory(pids: readonly number[]): Promise<number> {
  const each = await Promise.all(
    pids.map(async (pid) => {
      const rollup = await readIfThere(`/proc/${String(pid)}/smaps_rollup`);
      return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup ?? "")?.[1] ?? 0);
    }),
  );
  return (each.reduce((sum, kilobytes) => sum + kilobytes, 0) * 1024) / 1_000_000;
}

/** undefined: the process has ended. */
async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ESRCH") return undefined;
    throw error;
  }
}
