import { open, rename, stat } from "node:fs/promises";
import { isMissing } from "../error-code.ts";
import type { Layout } from "./layout.ts";

const largestLog = 8 * 1024 * 1024;
const tailBytes = 4096;
const tailLines = 12;

/** Bytes; 0: there is none. */
export async function sizeOfLog(layout: Layout): Promise<number> {
  try {
    return (await stat(layout.log)).size;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

/** Puts a log that grew too big aside, in place of the one put aside before. */
export async function rotateLog(layout: Layout): Promise<void> {
  if ((await sizeOfLog(layout)) > largestLog) await rename(layout.log, layout.oldLog);
}

/** The last lines that were written after `from` (a size in bytes); empty where there are none. */
export async function readLogTail(layout: Layout, from: number): Promise<string> {
  const size = await sizeOfLog(layout);
  const start = Math.max(from, size - tailBytes);
  if (size <= start) return "";
  const file = await open(layout.log, "r");
  try {
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(size - start),
      0,
      size - start,
      start,
    );
    return buffer
      .subarray(0, bytesRead)
      .toString("utf8")
      .trim()
      .split("\n")
      .slice(-tailLines)
      .join("\n");
  } finally {
    await file.close();
  }
}
