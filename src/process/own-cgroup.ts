// Where this process stands among the kernel's control groups. Sources: cgroups(7), "/proc/pid/cgroup", and
// proc_pid_mountinfo(5).
import { readFile } from "node:fs/promises";
import path from "node:path";

/** A controller of version 1 that has a hierarchy of its own, or shares one. */
export type Controller = "memory" | "cpu" | "pids";

/**
 * The group that this process is in: of version 2, or of the hierarchy of version 1 that the controller is in. It may
 * be moved to another one, so it is read anew.
 * @returns its absolute path; undefined where there is no such hierarchy, or none in sight
 */
export async function findOwn(controller?: Controller): Promise<string | undefined> {
  try {
    const [mounts, groups] = await Promise.all([
      readFile("/proc/self/mountinfo", "utf8"),
      readFile("/proc/self/cgroup", "utf8"),
    ]);
    return parseOwn(mounts, groups, controller);
  } catch {
    // No /proc/self/cgroup: a kernel without control groups.
    return undefined;
  }
}

export function parseOwn(
  mountinfo: string,
  cgroup: string,
  controller?: Controller,
): string | undefined {
  const own = findPath(cgroup, controller);
  if (own === undefined) return undefined;
  for (const line of mountinfo.split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const [, , , root = "", mountPoint = ""] = before.split(" ");
    const [type, , options = ""] = after.split(" ");
    const isMeant =
      controller === undefined
        ? type === "cgroup2"
        : type === "cgroup" && options.split(",").includes(controller);
    if (!isMeant) continue;
    const below = path.posix.relative(root, own);
    if (below.startsWith("..")) continue;
    return path.join(mountPoint, below);
  }
  return undefined;
}

/** Lines are `number:controllers:path`; version 2 has the number 0 and names no controllers. */
function findPath(cgroup: string, controller: Controller | undefined): string | undefined {
  for (const line of cgroup.split("\n")) {
    const [, number, names = "", own] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    const isMeant =
      controller === undefined
        ? number === "0" && names === ""
        : names.split(",").includes(controller);
    if (isMeant) return own;
  }
  return undefined;
}
