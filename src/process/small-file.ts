import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { codeOf } from "./host-failure.ts";

/** Far above what the shim writes. */
const maximumBytes = 64 * 1024;

/**
 * The text of a small file in a session's folder, or undefined if there is none. A worker can write
 * there too, so nothing but a regular file is read (a FIFO would block, a link could lead anywhere)
 * and never more than 64 KiB.
 */
export async function readSmallFile(file: string): Promise<string | undefined> {
  let handle;
  try {
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (error) {
    if (codeOf(error) === "ENOENT") {
      return undefined;
    }
    throw error;
  }
  try {
    if (!(await handle.stat()).isFile()) {
      throw new Error(`${file} is not a regular file`);
    }
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(maximumBytes), 0, maximumBytes, 0);
    return buffer.toString("utf8", 0, bytesRead);
  } finally {
    await handle.close();
  }
}
