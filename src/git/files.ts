import { randomUUID } from "node:crypto";
import type { Dirent } from "node:fs";
import { access, lstat, mkdir, readdir, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { FactoryError } from "../errors.ts";
import { removeTree } from "../process/remove-tree.ts";
import { readUntrustedFile, UntrustedFileError } from "../untrusted-file.ts";

/** The system's error code, such as ENOENT, if the thrown value has one. */
export function codeOf(error: unknown): string | undefined {
  return typeof error === "object" &&
    error !== null &&
    "code" in error &&
    typeof error.code === "string"
    ? error.code
    : undefined;
}

const missing = new Set(["ENOENT", "ENOTDIR"]);

/** Far above what git or this server writes into the files that are read here. */
const maxTextBytes = 1024 * 1024;

/** @throws UntrustedFileError where it is no regular file, or too large; the system's error, such as ENOENT */
export async function readText(path: string): Promise<string> {
  return (await readUntrustedFile(path, { maxBytes: maxTextBytes })).toString("utf8");
}

/** undefined where there is no such file. @throws UntrustedFileError where it is no regular file, or too large */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readText(path);
  } catch (error) {
    if (missing.has(codeOf(error) ?? "")) return undefined;
    throw error;
  }
}

/** undefined also where something else than such a file is in its place: for files that a worker can write. */
export async function readIfSound(path: string): Promise<string | undefined> {
  try {
    return await readIfThere(path);
  } catch (error) {
    if (error instanceof UntrustedFileError) return undefined;
    throw error;
  }
}

/** undefined where there is no such folder. */
export async function listIfThere(path: string): Promise<string[] | undefined> {
  try {
    return await readdir(path);
  } catch (error) {
    if (missing.has(codeOf(error) ?? "")) return undefined;
    throw error;
  }
}

/** The same, with what each is. */
export async function listEntriesIfThere(path: string): Promise<Dirent[] | undefined> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    if (missing.has(codeOf(error) ?? "")) return undefined;
    throw error;
  }
}

export async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    const code = codeOf(error) ?? "";
    // Nothing can be at a path that is too long.
    if (missing.has(code) || code === "ENAMETOOLONG") return false;
    // Something is there that can't be looked at: a link to itself, a folder that is closed.
    if (code === "ELOOP" || code === "EACCES") return true;
    throw error;
  }
}

/** How a file's name ends while replaceFile writes it. A killed server leaves it so. */
export const partSuffix = ".part";

/** Readers see the old or the new content, never a part. Makes the folder where needed. */
export async function replaceFile(
  path: string,
  content: string | Buffer,
  mode = 0o644,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: mode === 0o600 ? 0o700 : 0o755 });
  // Not by the file's own name, which may be as long as a name may be.
  const making = join(dirname(path), `${randomUUID()}${partSuffix}`);
  try {
    await writeFile(making, content, { mode });
    await rename(making, path);
  } catch (error) {
    await rm(making, { force: true });
    throw error;
  }
}

/** Longer than the removal of any worktree that makes sense. */
const removalTimeoutMs = 10 * 60_000;

export async function removeFolder(path: string): Promise<void> {
  await removeTree(path, removalTimeoutMs);
}

/**
 * Takes a folder out of its place in one step, so that no one finds half of it there. The caller gives what is
 * returned to `removeTrash`; undefined where there was none. A symbolic link in the place of a folder above it is
 * taken out instead, and what it leads to stays: that is no folder of this server.
 */
export async function moveToTrash(path: string, trash: string): Promise<string | undefined> {
  await mkdir(trash, { recursive: true, mode: 0o700 });
  const target = join(trash, randomUUID());
  try {
    await rename((await findLinkAbove(path, dirname(trash))) ?? path, target);
    return target;
  } catch (error) {
    if (missing.has(codeOf(error) ?? "")) return undefined;
    throw error;
  }
}

/**
 * Removes what `moveToTrash` returned. What can't be removed is out of the way: it is left to the sweep, which tries
 * it again and reports it.
 */
export async function removeTrash(trashed: string | undefined): Promise<void> {
  if (trashed === undefined) return;
  try {
    await removeFolder(trashed);
  } catch (error) {
    if (!(error instanceof FactoryError)) throw error;
  }
}

/** The first folder between `root` and the path that is a symbolic link. */
export async function findLinkAbove(path: string, root: string): Promise<string | undefined> {
  let folder = root;
  for (const name of relative(root, dirname(path)).split(sep)) {
    if (name === "") continue;
    folder = join(folder, name);
    try {
      if ((await lstat(folder)).isSymbolicLink()) return folder;
    } catch (error) {
      if (missing.has(codeOf(error) ?? "")) return undefined;
      throw error;
    }
  }
  return undefined;
}

/** Removes the folder and those above it as long as they are empty, up to `root`, which stays. */
export async function removeEmptyFolders(path: string, root: string): Promise<void> {
  for (let folder = path; folder.startsWith(`${root}/`); folder = dirname(folder)) {
    try {
      await rmdir(folder);
    } catch (error) {
      if (codeOf(error) === "ENOENT") continue;
      if (["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(codeOf(error) ?? "")) return;
      throw error;
    }
  }
}
