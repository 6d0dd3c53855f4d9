// Files that a git, or this server, held or wrote when it was killed.
import { lstat, readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { removeAbandoned } from "./abandoned-file.ts";
import { codeOf, partSuffix } from "./files.ts";
import { findGitPlaces, isBelow } from "./processes.ts";

export interface LockSweep {
  /** FACTORY_HOME. */
  readonly home: string;
  readonly graceMs: number;
}

/**
 * Lock files and the like in a repository that are older than the grace and have no owner any more.
 * @param folders where the gits work that may hold them
 */
export async function sweepLocks(
  repository: string,
  folders: readonly string[],
  { home, graceMs }: LockSweep,
): Promise<string[]> {
  const old: string[] = [];
  for (const path of await listLeftovers(repository)) {
    if (await isOlder(path, graceMs)) old.push(path);
  }
  if (old.length === 0) return [];
  // After the list: whoever holds one of these has been there for as long as the file.
  const places = await findGitPlaces(home);
  if (places?.some((place) => isBelow(place, [repository, ...folders])) !== false) return [];
  const lines: string[] = [];
  for (const path of old) {
    if (!(await removeAbandoned(path, { home, graceMs }))) continue;
    const what = path.endsWith(".lock") ? "lock file" : "temporary file";
    lines.push(`Removed the ${what} ${relative(home, path)}, which nobody holds any more.`);
  }
  return lines;
}

/** Loose objects have no locks, and there are many of them. */
function isObjectFolder(name: string, folder: string): boolean {
  return folder.endsWith("/objects") && /^[0-9a-f]{2}$/.test(name);
}

async function listLeftovers(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdirIfThere(folder)) {
    const path = join(folder, entry.name);
    // No symbolic link counts as a folder here.
    if (entry.isDirectory()) {
      if (!isObjectFolder(entry.name, folder)) found.push(...(await listLeftovers(path)));
    } else if (isLeftover(entry.name, folder)) {
      found.push(path);
    }
  }
  return found;
}

/** No ref's name ends in .lock (git-check-ref-format(1)), and none of these folders holds a worker's files. */
function isLeftover(name: string, folder: string): boolean {
  return (
    name.endsWith(".lock") ||
    name.endsWith(partSuffix) ||
    (name.startsWith("tmp_") && folder.endsWith("/objects/pack"))
  );
}

/** Gone, no folder, deeper than a path can be long, or closed by whoever can write there: git makes no lock in it. */
const unlistable = new Set(["ENOENT", "ENOTDIR", "ENAMETOOLONG", "EACCES"]);

async function readdirIfThere(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (unlistable.has(codeOf(error) ?? "")) return [];
    throw error;
  }
}

async function isOlder(path: string, graceMs: number): Promise<boolean> {
  try {
    return Date.now() - (await lstat(path)).mtimeMs >= graceMs;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
}
