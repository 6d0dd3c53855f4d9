import { constants, fstatSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { countUnfinished, decodeStorable } from "./utf8.ts";

/** The most that is read at once, and so the most that a chunk stands for. */
export const chunkBytes = 64 * 1024;

export interface OutputChunk {
  readonly text: string;
  /** Where the next chunk begins, in bytes. */
  readonly endOffset: number;
  /** Where its last line begins, in bytes: behind the last newline; undefined where it holds none. */
  readonly lastLineOffset: number | undefined;
  /** Whether the chunk is as large as chunks get, so that there is likely more. */
  readonly full: boolean;
}

/** One of a worker's output files, read from an offset on. */
export interface OutputFile {
  /** The file's size in bytes, and when it was last written to, in nanoseconds. */
  inspect(): { size: number; modifiedAt: bigint };
  /**
   * The text from the offset on, undefined if there is none yet. A character whose last bytes are
   * missing is left for later, unless nothing will come after `end`. The offset stays until `accept`.
   */
  read(size: number, end: number | undefined): Promise<OutputChunk | undefined>;
  accept(chunk: OutputChunk): void;
  readonly offset: number;
  close(): Promise<void>;
}

/** Opens the file; anything but a regular file is refused, as opening a FIFO would block. */
export async function openOutputFile(file: string, startOffset: number): Promise<OutputFile> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    if (!(await handle.stat()).isFile()) {
      throw new Error(`${file} is not a regular file`);
    }
    return createOutputFile(handle, startOffset);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function createOutputFile(handle: FileHandle, startOffset: number): OutputFile {
  const buffer = Buffer.alloc(chunkBytes);
  let offset = startOffset;
  return {
    inspect() {
      // Asked twice for each 50 ms of a busy worker. The kernel has it in memory; a way through Node's threads
      // would cost many times as much.
      const { size, mtimeNs } = fstatSync(handle.fd, { bigint: true });
      return { size: Number(size), modifiedAt: mtimeNs };
    },
    async read(size, end) {
      if (size < offset) {
        // The worker emptied the file; what it appends now begins at 0.
        offset = 0;
      }
      const wanted = Math.min(chunkBytes, (end ?? Number.MAX_SAFE_INTEGER) - offset);
      if (wanted <= 0 || size === offset) {
        return undefined;
      }
      const { bytesRead } = await handle.read(buffer, 0, wanted, offset);
      const bytes = buffer.subarray(0, bytesRead);
      const isLast = end !== undefined && offset + bytesRead >= end;
      const length = bytesRead - (isLast ? 0 : countUnfinished(bytes));
      if (length === 0) {
        return undefined;
      }
      const taken = bytes.subarray(0, length);
      const newline = taken.lastIndexOf(0x0a);
      return {
        text: decodeStorable(taken),
        endOffset: offset + length,
        lastLineOffset: newline === -1 ? undefined : offset + newline + 1,
        full: bytesRead === chunkBytes,
      };
    },
    accept(chunk) {
      offset = chunk.endOffset;
    },
    get offset() {
      return offset;
    },
    close: () => handle.close(),
  };
}
