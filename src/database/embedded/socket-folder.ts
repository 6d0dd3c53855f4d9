import { chmod, chown, lstat, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isMissing } from "../error-code.ts";
import type { Layout } from "./layout.ts";
import type { Owner } from "./owner.ts";

export const port = 5432;
/** sun_path has 108 bytes, the last one a NUL: unix(7). */
const longestSocketPath = 107;

const fits = (folder: string) =>
  Buffer.byteLength(join(folder, `.s.PGSQL.${port}`)) <= longestSocketPath;

/**
 * The folder for Postgres's socket, open to its owner alone. Where the home's path is too long for a
 * socket it is a folder of the system's temporary folder, the same one at each start.
 */
export async function prepareSocketFolder(layout: Layout, owner: Owner): Promise<string> {
  if (fits(layout.socketFolder)) {
    await mkdir(layout.socketFolder, { recursive: true, mode: 0o700 });
    await giveTo(layout.socketFolder, owner);
    return layout.socketFolder;
  }
  const known = await readElsewhere(layout);
  if (known !== undefined && (await isOurs(known, owner))) return known;
  const prefix = fits(join(tmpdir(), "factory-XXXXXX")) ? tmpdir() : "/tmp";
  const folder = await mkdtemp(join(prefix, "factory-"));
  await giveTo(folder, owner);
  await writeFile(layout.socketFolderElsewhere, folder, { mode: 0o600 });
  return folder;
}

/** Removes a socket's folder that isn't below the home. */
export async function removeSocketFolderElsewhere(layout: Layout, owner: Owner): Promise<void> {
  const folder = await readElsewhere(layout);
  if (folder === undefined) return;
  if (await isOurs(folder, owner)) await rm(folder, { recursive: true, force: true });
  await rm(layout.socketFolderElsewhere, { force: true });
}

async function readElsewhere(layout: Layout): Promise<string | undefined> {
  try {
    return (await readFile(layout.socketFolderElsewhere, "utf8")).trim();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** In a folder that all may write to, somebody else may have taken the name after a clean-up. */
async function isOurs(folder: string, owner: Owner): Promise<boolean> {
  try {
    const found = await lstat(folder);
    const uid = owner?.uid ?? process.getuid?.();
    return found.isDirectory() && found.uid === uid && (found.mode & 0o777) === 0o700;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

async function giveTo(folder: string, owner: Owner): Promise<void> {
  await chmod(folder, 0o700);
  if (owner !== undefined) await chown(folder, owner.uid, owner.gid);
}
