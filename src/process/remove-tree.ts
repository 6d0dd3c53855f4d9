import path from "node:path";
import { lstat } from "node:fs/promises";
import { execa } from "execa";
import { FactoryError } from "../errors.ts";
import { codeOf, hostFailure } from "./host-failure.ts";

/** GNU's name for it, and that of the BSDs and macOS. */
const sameFileSystem = process.platform === "linux" ? "--one-file-system" : "-x";

/**
 * Removes the folder, or whatever else is at the absolute path, with all that is in it; an absent one is fine. Follows
 * no symbolic link, leaves other file systems alone, and removes trees that are deeper than a path can be long
 * (PATH_MAX), which node:fs can't. The caller has ended whoever writes there.
 *
 * Fails with HOST_FAILURE after `timeoutMs` milliseconds (default 60,000), or when something can't be removed.
 * Repeating it goes on where it stopped.
 */
export async function removeTree(folder: string, timeoutMs = 60_000): Promise<void> {
  requireDeepPath(folder);
  if (!(await isThere(folder))) return;
  const deadline = AbortSignal.timeout(timeoutMs);
  // A program and not fs.rm: it goes by descriptors, and can be ended when a worker left millions of files.
  const remove = () =>
    execa("rm", ["-rf", sameFileSystem, "--", folder], { reject: false, cancelSignal: deadline });
  const first = await remove();
  if (!first.failed) return;
  // Folders without write permission (package caches make such) stop rm for anyone but root; a process that still
  // writes there makes a folder that was emptied non-empty again. chmod -R follows no symbolic link below its argument.
  await execa("chmod", ["-R", "u+rwX", "--", folder], { reject: false, cancelSignal: deadline });
  const second = await remove();
  if (second.failed) throw hostFailure(second, `remove ${folder}`);
}

async function isThere(folder: string): Promise<boolean> {
  try {
    await lstat(folder);
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return false;
    throw hostFailure(error, `remove ${folder}`);
  }
}

/** A slip in a caller's path must not become `rm -rf /`. */
export function requireDeepPath(folder: string): string {
  if (
    !path.isAbsolute(folder) ||
    path.dirname(path.normalize(folder)) === path.parse(folder).root
  ) {
    throw new FactoryError("INTERNAL", `not a path for a folder of Factory: ${folder}`);
  }
  return folder;
}
