import path from "node:path";
import { readUntrustedFile } from "../untrusted-file.ts";
import { codeOf } from "./host-failure.ts";

/** Far above what the shim writes. */
const maxBytes = 64 * 1024;

/**
 * The text of a small file in a session's folder, or undefined if there is none. A worker can write there too, so
 * nothing but a regular file that really lies in that folder is read, and none of more than 64 KiB.
 */
export async function readSmallFile(file: string): Promise<string | undefined> {
  const root = path.dirname(path.dirname(file));
  try {
    return (await readUntrustedFile(file, { root, maxBytes })).toString("utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") {
      return undefined;
    }
    throw error;
  }
}
