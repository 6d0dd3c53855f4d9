// A control group of its own for each worker, where this server may make one: what leaves the worker's session and
// clears its environment stays in it. Version 2 alone, which can end a whole group at once. Source: cgroups(7) and
// the kernel's Documentation/admin-guide/cgroup-v2.rst.
import { constants } from "node:fs";
import { access, mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { codeOf } from "./host-failure.ts";
import { findOwn } from "./own-cgroup.ts";

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
  const base = await findBase();
  return base === undefined ? undefined : path.join(base, groupName(nonce));
}

export function groupName(nonce: string): string {
  return `factory-${nonce}`;
}

/** What a server's own group is called (`DelegateSubgroup=` of systemd) where the one above is its to divide. */
const serverGroup = "factory-server";

/**
 * In which group of version 2 those of the workers are made: the server's own, or the one above. A group that holds
 * processes hands out no controllers to those below it, so caps need the latter.
 */
async function findBase(): Promise<string | undefined> {
  const own = await findOwn();
  return own !== undefined && path.basename(own) === serverGroup ? path.dirname(own) : own;
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

/** It was never there, or is removed in this moment. */
export function isGone(error: unknown): boolean {
  return codeOf(error) === "ENOENT" || codeOf(error) === "ENODEV";
}
