// Files that a git, or this server, held or wrote when it was killed.
import { lstat, readdir } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { removeAbandoned } from "./abandoned-file.ts";
import { codeOf, partSuffix, readIfSound } from "./files.ts";
import type { Layout } from "./layout.ts";
import { findGitPlaces, isBelow } from "./processes.ts";

/** Below the control folder: what is in the middle of being made, by calls that clear up themselves. */
const skippedInControl = new Set(["adding", "temporary"]);

/** Lock files and the like that are older than the grace and have no owner any more. */
export async function sweepLocks(
  layout: Layout,
  { home, graceMs }: { readonly home: string; readonly graceMs: number },
): Promise<string[]> {
  const old: string[] = [];
  for (const path of [
    ...(await listLeftovers(layout.repository, isObjectFolder)),
    ...(await listLeftovers(layout.control, (name) => skippedInControl.has(name))),
  ]) {
    if (await isOlder(path, graceMs)) old.push(path);
  }
  if (old.length === 0) return [];
  // After the list: whoever holds one of these has been there for as long as the file.
  const places = await findGitPlaces(home);
  if (places === undefined) return [];
  const lines: string[] = [];
  for (const path of old) {
    const folders = await foldersOf(layout, path);
    if (places.some((place) => isBelow(place, folders))) continue;
    if (!(await removeAbandoned(path, { home, graceMs }))) continue;
    const what = path.endsWith(".lock") ? "lock file" : "temporary file";
    lines.push(`Removed the ${what} ${relative(home, path)}, which nobody holds any more.`);
  }
  return lines;
}

/** Where the git works that may hold it: a worktree's own locks are of one that works in that worktree. */
async function foldersOf({ repository, control, worktrees }: Layout, path: string) {
  const entries = join(repository, "worktrees");
  if (!path.startsWith(entries + sep)) return [repository, control, worktrees];
  const [id = ""] = relative(entries, path).split(sep);
  const entry = join(entries, id);
  const gitFile = (await readIfSound(join(entry, "gitdir")))?.trim();
  return gitFile === undefined
    ? [repository, control, worktrees]
    : [entry, dirname(resolve(entry, gitFile))];
}

/** Loose objects have no locks, and there are many of them. */
function isObjectFolder(name: string, folder: string): boolean {
  return folder.endsWith("/objects") && /^[0-9a-f]{2}$/.test(name);
}

async function listLeftovers(
  folder: string,
  skips: (name: string, folder: string) => boolean,
): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdirIfThere(folder)) {
    const path = join(folder, entry.name);
    // No symbolic link counts as a folder here: the control folder's lead to the repository.
    if (entry.isDirectory()) {
      if (!skips(entry.name, folder)) found.push(...(await listLeftovers(path, skips)));
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
