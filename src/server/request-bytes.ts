// How long a request may be, by who sends it.
import type { Viewer } from "../access/viewer.ts";

/** A task of 100,000 bytes fits, escaped as JSON may be. */
export const maxOperatorBytes = 4 * 1024 * 1024;
/** A task of 100,000 bytes fits as people write it. Many workers at once must not fill the memory. */
export const maxWorkerBytes = 256 * 1024;

export function maxBytesOf({ kind }: Viewer): number {
  return kind === "operator" ? maxOperatorBytes : maxWorkerBytes;
}

/** Such as "4 MiB". */
export function sizeInWords(bytes: number): string {
  return bytes < 1024 * 1024 ? `${String(bytes / 1024)} KiB` : `${String(bytes / 1024 / 1024)} MiB`;
}
