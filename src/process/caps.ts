// Holds the processes of one worker to their caps, by control groups: by version 2 where its controllers are
// handed out to the workers' groups, else by version 1. Sources: the kernel's Documentation/admin-guide/cgroup-v2.rst,
// and cgroup-v1/memory.rst, cgroup-v1/pids.rst and scheduler/sched-bwc.rst beside it.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { capNames, type CapName, type Caps } from "../caps.ts";
import { FactoryError } from "../errors.ts";
import { cgroupOf, createCgroup, groupName, removeCgroup } from "./cgroup.ts";
import { codeOf, hostFailure } from "./host-failure.ts";
import type { Identity } from "./identity.ts";
import { findOwn, type Controller } from "./own-cgroup.ts";

interface Setting {
  readonly file: string;
  readonly value: string;
  /** Not in every kernel, and nothing is lost without it. */
  readonly isOptional?: boolean;
  /** EINVAL: a group above has less already. */
  readonly isBoundAbove?: boolean;
}

interface Kind {
  readonly controller: Controller;
  readonly version1: (value: number) => readonly Setting[];
  readonly version2: (value: number) => readonly Setting[];
}

/** Microseconds; the kernel's default. */
const cpuPeriod = 100_000;

function quotaOf(cpus: number): string {
  return String(Math.round(cpus * cpuPeriod));
}

const kinds: Readonly<Record<CapName, Kind>> = {
  memory: {
    controller: "memory",
    version1: (bytes) => [
      { file: "memory.limit_in_bytes", value: String(bytes) },
      // Memory and swap together.
      { file: "memory.memsw.limit_in_bytes", value: String(bytes), isOptional: true },
    ],
    version2: (bytes) => [
      { file: "memory.max", value: String(bytes) },
      { file: "memory.swap.max", value: "0", isOptional: true },
      { file: "memory.oom.group", value: "1" },
    ],
  },
  cpus: {
    controller: "cpu",
    version1: (cpus) => [
      { file: "cpu.cfs_period_us", value: String(cpuPeriod) },
      { file: "cpu.cfs_quota_us", value: quotaOf(cpus), isBoundAbove: true },
    ],
    version2: (cpus) => [{ file: "cpu.max", value: `${quotaOf(cpus)} ${String(cpuPeriod)}` }],
  },
  processes: {
    controller: "pids",
    version1: (count) => [{ file: "pids.max", value: String(count) }],
    version2: (count) => [{ file: "pids.max", value: String(count) }],
  },
};

/** A group that isn't this server's to divide, or holds processes, or is of an older kernel. */
const refusals = new Set(["EACCES", "EPERM", "EROFS", "ENOENT", "EBUSY", "EOPNOTSUPP"]);

/**
 * Makes the groups in which a process is held to the caps, for the processes that carry the nonce.
 * @param cgroup what `createCgroup` made for the nonce
 * @returns absolute paths of the groups; to be entered before the first instruction
 * @throws FactoryError HOST_FAILURE where this server can't hold a worker to one of them; nothing is left then but `cgroup`
 */
export async function createCapGroups(
  nonce: string,
  caps: Caps,
  cgroup: string | undefined,
): Promise<readonly string[]> {
  const groups = new Set<string>();
  try {
    for (const name of capNames) {
      const value = caps[name];
      if (value === undefined) continue;
      const place = await findPlace(kinds[name], nonce, cgroup);
      if (place === undefined) throw notHeld(name);
      groups.add(place.folder);
      await mkdir(place.folder, { recursive: true });
      await apply(place.folder, kinds[name][place.version](value));
    }
    return [...groups];
  } catch (error) {
    for (const group of groups) {
      if (group !== cgroup) await removeCgroup(group);
    }
    throw hostFailure(error, "hold a worker to its caps by control groups");
  }
}

/** What this server can't hold its workers to, with the reason: found by making a group with each cap. */
export async function findMissingCaps(): Promise<ReadonlyMap<CapName, string>> {
  const missing = new Map<CapName, string>();
  for (const name of capNames) {
    const nonce = `probe-${name}-${String(process.pid)}`;
    const cgroup = await createCgroup(nonce);
    try {
      for (const group of await createCapGroups(nonce, { [name]: probes[name] }, cgroup)) {
        await removeCgroup(group);
      }
    } catch (error) {
      if (!(error instanceof FactoryError)) throw error;
      missing.set(name, error.message);
    }
    if (cgroup !== undefined) await removeCgroup(cgroup);
  }
  return missing;
}

/** More than any machine has, so that it fits below every cap above. */
const probes: Required<Caps> = { memory: 2 ** 50, cpus: 1024, processes: 2 ** 20 };

/** All groups of a session; of one whose start was not recorded, where they would be. */
export async function groupsOf(nonce: string, identity?: Identity): Promise<readonly string[]> {
  const cgroup = identity?.cgroup ?? (await cgroupOf(nonce));
  const capGroups = identity?.capGroups ?? (await findCapGroups(nonce));
  return [...new Set(cgroup === undefined ? capGroups : [cgroup, ...capGroups])];
}

async function findCapGroups(nonce: string): Promise<string[]> {
  const own = await Promise.all(capNames.map((name) => findOwn(kinds[name].controller)));
  return own
    .filter((group) => group !== undefined)
    .map((group) => path.join(group, groupName(nonce)));
}

async function findPlace(
  { controller }: Kind,
  nonce: string,
  cgroup: string | undefined,
): Promise<{ version: "version1" | "version2"; folder: string } | undefined> {
  if (cgroup !== undefined && (await handsOut(path.dirname(cgroup), controller))) {
    return { version: "version2", folder: cgroup };
  }
  const own = await findOwn(controller);
  return own === undefined
    ? undefined
    : { version: "version1", folder: path.join(own, groupName(nonce)) };
}

/** Whether groups below it have the controller; it is asked to, where it can be. */
async function handsOut(group: string, controller: Controller): Promise<boolean> {
  try {
    if (!(await listNames(path.join(group, "cgroup.controllers"))).includes(controller))
      return false;
    const file = path.join(group, "cgroup.subtree_control");
    if ((await listNames(file)).includes(controller)) return true;
    await writeFile(file, `+${controller}`, { flag: "r+" });
    return true;
  } catch (error) {
    if (refusals.has(codeOf(error) ?? "")) return false;
    throw error;
  }
}

async function listNames(file: string): Promise<string[]> {
  return (await readFile(file, "utf8")).trim().split(/\s+/);
}

async function apply(folder: string, settings: readonly Setting[]): Promise<void> {
  for (const { file, value, isOptional, isBoundAbove } of settings) {
    try {
      await writeFile(path.join(folder, file), value, { flag: "r+" });
    } catch (error) {
      if (isOptional === true && codeOf(error) === "ENOENT") continue;
      if (isBoundAbove === true && codeOf(error) === "EINVAL") continue;
      throw error;
    }
  }
}

function notHeld(name: CapName): FactoryError {
  return new FactoryError(
    "HOST_FAILURE",
    `could not hold a worker to a cap of ${name}: no control group with that controller is this server's to divide`,
  );
}
