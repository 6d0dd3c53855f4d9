import { randomUUID } from "node:crypto";
import type { Dirent } from "node:fs";
import { access, mkdir, readFile, readdir, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

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

/** undefined where there is no such file. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (missing.has(codeOf(error) ?? "")) return undefined;
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
    if (missing.has(codeOf(error) ?? "")) return false;
    throw error;
  }
}

/** How a file's name ends while replaceFile writes it. A killed server leaves it so. */
export const partSuffix = ".part";

/** Readers see the old or the new content, never a part. Makes the folder where needed. */
export async function replaceFile(path: string, content: string, mode = 0o644): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: mode === 0o600 ? 0o700 : 0o755 });
  const making = `${path}.${randomUUID()}${partSuffix}`;
  try {
    await writeFile(making, content, { mode });
    await rename(making, path);
  } catch (error) {
    await rm(making, { force: true });
    throw error;
  }
}

export async function removeFolder(path: string): Promise<void> {
  // A process that still writes there makes a folder that was emptied non-empty again.
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}

/**
 * Takes a folder out of its place in one step, so that no one finds half of it there. The caller removes
 * what is returned; undefined where there was none.
 */
export async function moveToTrash(path: string, trash: string): Promise<string | undefined> {
  await mkdir(trash, { recursive: true, mode: 0o700 });
  const target = join(trash, randomUUID());
  try {
    await rename(path, target);
    return target;
  } catch (error) {
    if (missing.has(codeOf(error) ?? "")) return undefined;
    throw error;
  }
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
