// Files of a worktree that no diff reads: what is no file to git, and what is too large to be read in time.
import { lstat } from "node:fs/promises";
import { codeOf } from "./files.ts";
import type { WorktreeGit } from "./worktree-git.ts";

/** Paths as git gives them, each byte a character (latin1). */
export interface UnreadFiles {
  /** A FIFO, a socket or a device in the place of a tracked file, which git can't commit: it counts as deleted. */
  readonly special: readonly string[];
  /** They count as binary files. */
  readonly large: readonly string[];
}

/** What the files of one diff may have together, in bytes: git reads and hashes all of each. */
const maxTotalBytes = 512 * 1024 * 1024;
const looksAtOnce = 64;
/** Gone, or behind what is no folder any more, or with a path that is too long: git finds that out itself. */
const unseen = new Set(["ENOENT", "ENOTDIR", "ENAMETOOLONG", "EACCES", "ELOOP"]);

export async function findUnreadFiles(
  workTree: string,
  paths: readonly string[],
): Promise<UnreadFiles> {
  const special: string[] = [];
  const files: { path: string; size: number }[] = [];
  for (let start = 0; start < paths.length; start += looksAtOnce) {
    const batch = paths.slice(start, start + looksAtOnce);
    const found = await Promise.all(batch.map((path) => look(workTree, path)));
    for (const [index, path] of batch.entries()) {
      const stats = found[index];
      if (stats === undefined) continue;
      if (stats.isFile()) files.push({ path, size: stats.size });
      else if (!stats.isSymbolicLink() && !stats.isDirectory()) special.push(path);
    }
  }
  const large: string[] = [];
  let total = 0;
  // Small ones first: a large one takes the place of no other.
  for (const { path, size } of files.toSorted((a, b) => a.size - b.size)) {
    total += size;
    if (total > maxTotalBytes) large.push(path);
  }
  return { special, large };
}

async function look(workTree: string, path: string) {
  try {
    return await lstat(Buffer.concat([Buffer.from(`${workTree}/`), Buffer.from(path, "latin1")]));
  } catch (error) {
    if (unseen.has(codeOf(error) ?? "")) return undefined;
    throw error;
  }
}

/** Makes the index say so: without the special ones, and with the large ones unchanged. */
export async function leaveOut(
  git: WorktreeGit,
  indexFile: string,
  { special, large }: UnreadFiles,
  signal: AbortSignal | undefined,
): Promise<void> {
  const input = (paths: readonly string[]) =>
    Buffer.from(paths.map((path) => `${path}\0`).join(""), "latin1");
  for (const [option, paths] of [
    ["--force-remove", special],
    ["--assume-unchanged", large],
  ] as const) {
    if (paths.length === 0) continue;
    const names = ["update-index", option, "-z", "--stdin"];
    await git.runInFiles({ arguments: names, indexFile, signal, input: input(paths) });
  }
}

/** As git shows a binary file. */
export function showLarge(path: string): string {
  const [before, after] = [quotePath(`a/${path}`), quotePath(`b/${path}`)];
  return `diff --git ${before} ${after}\nBinary files ${before} and ${after} differ\n`;
}

/** As git quotes it (core.quotePath in git-config(1)). */
function quotePath(path: string): string {
  const quoted = path.replace(/[^ !#-[\]-~]/g, (character) =>
    character === '"' || character === "\\"
      ? `\\${character}`
      : `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`,
  );
  return quoted === path ? path : `"${quoted}"`;
}
