// A control group of its own for each worker, where this server may make one: what leaves the worker's session and
// clears its environment stays in it. Version 2 alone, which can end a whole group at once. Source: cgroups(7) and
// the kernel's Documentation/admin-guide/cgroup-v2.rst.
import { constants } from "node:fs";
import { access, mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { codeOf } from "./host-failure.ts";

/** A worker that may write here could nest them without end. */
const maxGroups = 1_000;

/**
 * Makes the group for the processes that carry the nonce.
 * @returns its absolute path; undefined where this server can't make any, as in most containers
 */
export async function createCgroup(nonce: string): Promise<string | undefined> {
  const folder = await cgroupOf(nonce);
  if (folder === undefined) return undefined;
  try {
    await mkdir(folder, { recursive: false });
  } catch (error) {
    if (codeOf(error) !== "EEXIST") return undefined;
  }
  try {
    // Since Linux 5.14.
    await access(path.join(folder, "cgroup.kill"), constants.W_OK);
    await access(path.join(folder, "cgroup.procs"), constants.W_OK);
    return folder;
  } catch {
    await removeCgroup(folder);
    return undefined;
  }
}

/** Where the nonce's group is, or would be; undefined where there is no version 2. */
export async function cgroupOf(nonce: string): Promise<string | undefined> {
  const own = await findOwn();
  return own === undefined ? undefined : path.join(own, `factory-${nonce}`);
}

/** The ids of all processes in it and below it, those of other pid namespaces left out. */
export async function listCgroup(folder: string): Promise<number[]> {
  const pids: number[] = [];
  for (const group of await listGroups(folder)) {
    const text = await readFile(path.join(group, "cgroup.procs"), "utf8").catch(() => "");
    pids.push(...text.split("\n").map(Number).filter(Boolean));
  }
  return pids;
}

/** Ends all that is in it and below it, also what is being forked. Harmless where it is gone. */
export async function killCgroup(folder: string): Promise<void> {
  await writeIfThere(path.join(folder, "cgroup.kill"), "1");
}

/** Harmless where it is gone, or still holds a process: then it stays. */
export async function removeCgroup(folder: string): Promise<void> {
  // The innermost first.
  for (const group of (await listGroups(folder)).toReversed()) {
    try {
      await rmdir(group);
    } catch (error) {
      if (!isGone(error) && codeOf(error) !== "EBUSY" && codeOf(error) !== "ENOTEMPTY") throw error;
    }
  }
}

async function listGroups(folder: string): Promise<string[]> {
  const groups = [folder];
  for (const group of groups) {
    const entries = await readdir(group, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      if (groups.length >= maxGroups) return groups;
      if (entry.isDirectory()) groups.push(path.join(group, entry.name));
    }
  }
  return groups;
}

async function writeIfThere(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { flag: "r+" });
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

function isGone(error: unknown): boolean {
  return codeOf(error) === "ENOENT" || codeOf(error) === "ENODEV";
}

/** The group that this process is in. It may be moved to another one, so it is read anew. */
async function findOwn(): Promise<string | undefined> {
  try {
    const [mounts, groups] = await Promise.all([
      readFile("/proc/self/mountinfo", "utf8"),
      readFile("/proc/self/cgroup", "utf8"),
    ]);
    return parseOwn(mounts, groups);
  } catch {
    // No /proc/self/cgroup: a kernel without control groups.
    return undefined;
  }
}

/** Source: proc_pid_mountinfo(5) and cgroups(7), "/proc/pid/cgroup". */
export function parseOwn(mountinfo: string, cgroup: string): string | undefined {
  const own = /^0::(\/.*)$/m.exec(cgroup)?.[1];
  if (own === undefined) return undefined;
  for (const line of mountinfo.split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const [, , , root = "", mountPoint = ""] = before.split(" ");
    if (!after.startsWith("cgroup2 ")) continue;
    const below = path.posix.relative(root, own);
    if (below.startsWith("..")) continue;
    return path.join(mountPoint, below);
  }
  return undefined;
}
