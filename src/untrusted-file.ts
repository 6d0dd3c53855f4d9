// Opens files that a worker can write. A worker may replace any of them by a FIFO or a device, which block a thread
// of Node.js for ever, by a symbolic link to a file that only the server can read, or by a file without an end.
import { constants, type BigIntStats } from "node:fs";
import { open, readlink, realpath, utimes, type FileHandle } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { FactoryError } from "./errors.ts";

/** The file isn't what it must be: not a regular file, a symbolic link, outside of its folder, or too large. */
export class UntrustedFileError extends FactoryError {
  readonly path: string;

  constructor(path: string, what: string, cause?: unknown) {
    super("HOST_FAILURE", `${path} ${what}: a worker may have replaced it; remove it`, { cause });
    this.path = path;
  }
}

export interface UntrustedPlace {
  /**
   * A folder that the server alone can rename or replace, and that `path` is in. The file must really lie where its
   * path says below that folder, so that no folder between them is a symbolic link. Default: not checked; only the
   * file itself can't be a symbolic link then.
   */
  readonly root?: string | undefined;
}

export interface ReadLimit extends UntrustedPlace {
  /** A larger file is refused. */
  readonly maxBytes: number;
}

export interface OpenOptions extends UntrustedPlace {
  /** Default: "read". A file to be written must be there already. */
  readonly access?: "read" | "write";
}

/**
 * Opens a regular file, or refuses it at once; never waits for another process. The caller closes it, and
 * reads from the descriptor alone, no more than a limit of its own: the file may grow.
 * @throws UntrustedFileError; the system's error, such as ENOENT
 */
export async function openUntrustedFile(
  path: string,
  { root, access = "read" }: OpenOptions = {},
): Promise<FileHandle> {
  const mode = access === "read" ? constants.O_RDONLY : constants.O_WRONLY;
  // Without O_NONBLOCK the opening of a FIFO waits for its other side. Source: open(2), fifo(7).
  const handle = await openChecked(path, mode | constants.O_NONBLOCK | constants.O_NOCTTY, root);
  try {
    const stats = await handle.stat({ bigint: true });
    if (!stats.isFile()) throw new UntrustedFileError(path, `is ${kindOf(stats)}, no regular file`);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Where another program will read the file: it is what it must be now. A missing one is fine. @throws UntrustedFileError */
export async function checkUntrustedFile(
  path: string,
  { maxBytes, ...place }: ReadLimit,
): Promise<void> {
  let handle: FileHandle;
  try {
    handle = await openUntrustedFile(path, place);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return;
    throw error;
  }
  try {
    if ((await handle.stat()).size > maxBytes) throw tooLarge(path, maxBytes);
  } finally {
    await handle.close();
  }
}

/** Opens a folder by the same rules. */
export async function openUntrustedFolder(
  path: string,
  { root }: UntrustedPlace = {},
): Promise<FileHandle> {
  try {
    return await openChecked(path, constants.O_RDONLY | constants.O_DIRECTORY, root);
  } catch (error) {
    // Linux says so of a symbolic link, too, where it is to be a folder.
    if (!hasCode(error, "ENOTDIR")) throw error;
    throw new UntrustedFileError(path, "is a symbolic link, or no folder", error);
  }
}

async function openChecked(
  path: string,
  flags: number,
  root: string | undefined,
): Promise<FileHandle> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_NOFOLLOW | flags);
  } catch (error) {
    throw explain(path, error);
  }
  try {
    if (root !== undefined) await assertBelow(handle, path, root);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** @throws UntrustedFileError; the system's error, such as ENOENT */
export async function readUntrustedFile(
  path: string,
  { maxBytes, ...place }: ReadLimit,
): Promise<Buffer> {
  const handle = await openUntrustedFile(path, place);
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of chunksOf(handle, path, maxBytes)) chunks.push(Buffer.from(chunk));
    return Buffer.concat(chunks);
  } finally {
    await handle.close();
  }
}

/**
 * Copies it, with its times, to a new file. What was written of the copy at a failure is left to the caller.
 * @throws UntrustedFileError; the system's error, such as ENOENT for the file or EEXIST for the copy
 */
export async function copyUntrustedFile(
  path: string,
  copy: string,
  { maxBytes, ...place }: ReadLimit,
): Promise<void> {
  const from = await openUntrustedFile(path, place);
  try {
    const { atime, mtime } = await from.stat();
    const to = await open(copy, "wx", 0o600);
    try {
      for await (const chunk of chunksOf(from, path, maxBytes)) await to.writeFile(chunk);
    } finally {
      await to.close();
    }
    await utimes(copy, atime, mtime);
  } finally {
    await from.close();
  }
}

const maxChunkBytes = 256 * 1024;

/** Each chunk is valid until the next is asked for. */
async function* chunksOf(
  handle: FileHandle,
  path: string,
  maxBytes: number,
): AsyncGenerator<Buffer, void, void> {
  const { size } = await handle.stat();
  if (size > maxBytes) throw tooLarge(path, maxBytes);
  const buffer = Buffer.alloc(Math.min(maxChunkBytes, maxBytes + 1));
  let total = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, total);
    if (bytesRead === 0) return;
    total += bytesRead;
    if (total > maxBytes) throw tooLarge(path, maxBytes);
    yield buffer.subarray(0, bytesRead);
  }
}

function tooLarge(path: string, maxBytes: number): UntrustedFileError {
  return new UntrustedFileError(path, `is larger than ${String(maxBytes)} bytes`);
}

/** The kernel says where the open file is, whatever was renamed since its path was looked up. */
async function assertBelow(handle: FileHandle, path: string, root: string): Promise<void> {
  const expected = join(await realpath(root), relative(root, path));
  const actual = await findPath(handle, path);
  // Also where it was deleted meanwhile: proc(5) adds " (deleted)" to its path then.
  if (actual !== expected && actual !== `${expected} (deleted)`) {
    throw new UntrustedFileError(path, "is reached by a symbolic link");
  }
}

async function findPath(handle: FileHandle, path: string): Promise<string> {
  try {
    return await readlink(`/proc/self/fd/${String(handle.fd)}`);
  } catch (error) {
    if (!hasCode(error, "ENOENT", "ENOTDIR")) throw error;
    // macOS has no /proc. The file itself is no link, so only its folder is looked at.
    return join(await realpath(dirname(path)), relative(dirname(path), path));
  }
}

function explain(path: string, error: unknown): unknown {
  // ELOOP for a symbolic link (EMLINK on FreeBSD), ENXIO for a socket or a device that isn't there. Source: open(2).
  if (hasCode(error, "ELOOP", "EMLINK")) {
    return new UntrustedFileError(path, "is a symbolic link", error);
  }
  if (hasCode(error, "ENXIO", "ENODEV", "EOPNOTSUPP")) {
    return new UntrustedFileError(path, "is a socket or a device, no regular file", error);
  }
  // Another process holds a lease on it (fcntl(2), F_SETLEASE).
  if (hasCode(error, "EAGAIN", "EWOULDBLOCK")) {
    return new UntrustedFileError(path, "is held by another process", error);
  }
  return error;
}

function kindOf(stats: BigIntStats): string {
  if (stats.isFIFO()) return "a FIFO";
  if (stats.isDirectory()) return "a folder";
  if (stats.isCharacterDevice() || stats.isBlockDevice()) return "a device";
  return "something else";
}

function hasCode(error: unknown, ...codes: string[]): boolean {
  return (
    typeof error === "object" &&
    error !== null &&
    "code" in error &&
    typeof error.code === "string" &&
    codes.includes(error.code)
  );
}
