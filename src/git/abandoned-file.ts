import { lstat, readdir, readlink, rm, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { codeOf, listIfThere } from "./files.ts";

/**
 * Removes a lock or temporary file that a dead git left: older than the grace, and open in no process; git
 * writes no owner into them. Tells whether it is gone; where open files can't be seen (no /proc), it stays.
 */
export async function removeAbandoned(
  path: string,
  { home, graceMs }: { readonly home: string; readonly graceMs: number },
): Promise<boolean> {
  if (!path.startsWith(home + sep)) return false;
  try {
    const before = await lstat(path);
    // No git makes a folder of such a name.
    if (before.isDirectory()) return false;
    if (Date.now() - before.mtimeMs < graceMs) return false;
    if ((await isOpenSomewhere(before)) !== false) return false;
    const now = await lstat(path);
    // Another git may have taken it meanwhile.
    if (now.ino !== before.ino || now.mtimeMs !== before.mtimeMs) return false;
    await rm(path);
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return true;
    throw error;
  }
}

/** undefined: it can't be told. */
async function isOpenSomewhere(file: { dev: number; ino: number }): Promise<boolean | undefined> {
  const processes = await listIfThere("/proc");
  if (processes?.includes("self") !== true) return undefined;
  for (const pid of processes) {
    if (!/^\d+$/.test(pid)) continue;
    for (const descriptor of await listOpenFiles(pid)) {
      if (await isSame(join("/proc", pid, "fd", descriptor), file)) return true;
    }
  }
  return false;
}

/** None where the process has ended, or is another user's, which can't write here. */
async function listOpenFiles(pid: string): Promise<string[]> {
  try {
    return await readdir(join("/proc", pid, "fd"));
  } catch (error) {
    if (unseen.has(codeOf(error) ?? "")) return [];
    throw error;
  }
}

async function isSame(descriptor: string, file: { dev: number; ino: number }): Promise<boolean> {
  try {
    // Cheaper than stat, and enough to leave out pipes and sockets.
    if (!(await readlink(descriptor)).startsWith("/")) return false;
    const { dev, ino } = await stat(descriptor);
    return dev === file.dev && ino === file.ino;
  } catch (error) {
    if (unseen.has(codeOf(error) ?? "")) return false;
    throw error;
  }
}

/** ESRCH: the process ended between two looks (proc(5)). */
const unseen = new Set(["ENOENT", "EACCES", "EPERM", "ESRCH", "ENXIO"]);
