import { fstatSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import path from "node:path";
import { openUntrustedFile } from "../untrusted-file.ts";
import { countUnfinished, decodeStorable } from "./utf8.ts";

/** The most that is read at once, and so the most that a chunk stands for. */
export const chunkBytes = 64 * 1024;

/** What is still read of a file whose middle is skipped, from its end on. */
export const lastPartBytes = 4 * chunkBytes;

export interface OutputChunk {
  readonly text: string;
  /** How many bytes before the text are left out: NULs without anything else, a hole, or more than there is time for. */
  readonly skippedBytes: number;
  /** Where the next chunk begins, in bytes. */
  readonly endOffset: number;
  /** Where its last line begins, in bytes: behind the last newline; undefined where it holds none. */
  readonly lastLineOffset: number | undefined;
  /** Whether the chunk is as large as chunks get, so that there is likely more. */
  readonly full: boolean;
}

/** One of a worker's output files, read from an offset on. */
export interface OutputFile {
  /** The file's size and what it takes of the disk, in bytes, and when it was last written to, in nanoseconds. */
  inspect(): OutputFacts;
  /**
   * The text from the offset on, undefined if there is none yet. A character whose last bytes are
   * missing is left for later, unless nothing will come after `end`. The offset stays until `accept`.
   */
  read(facts: OutputFacts, end: number | undefined): Promise<OutputChunk | undefined>;
  /** A chunk that leaves out all but the last part before `end`; undefined where no more than that is left. */
  skip(end: number): OutputChunk | undefined;
  accept(chunk: Pick<OutputChunk, "endOffset">): void;
  readonly offset: number;
  close(): Promise<void>;
}

export interface OutputFacts {
  readonly size: number;
  readonly allocated: number;
  readonly modifiedAt: bigint;
}

/** @throws UntrustedFileError where a worker put something else in its place; the system's error, such as ENOENT */
export async function openOutputFile(file: string, startOffset: number): Promise<OutputFile> {
  const root = path.dirname(path.dirname(file));
  return createOutputFile(await openUntrustedFile(file, { root }), startOffset);
}

const nothing = Buffer.alloc(chunkBytes);

function createOutputFile(handle: FileHandle, startOffset: number): OutputFile {
  const buffer = Buffer.alloc(chunkBytes);
  let offset = startOffset;

  function skipTo(endOffset: number): OutputChunk {
    const skippedBytes = endOffset - offset;
    return { text: "", skippedBytes, endOffset, lastLineOffset: undefined, full: true };
  }

  function skip(end: number): OutputChunk | undefined {
    const last = end - lastPartBytes;
    return last > offset ? skipTo(last) : undefined;
  }

  return {
    skip,
    inspect() {
      // Asked twice for each 50 ms of a busy worker. The kernel has it in memory; a way through Node's threads
      // would cost many times as much.
      const { size, blocks, mtimeNs } = fstatSync(handle.fd, { bigint: true });
      // Some file systems take sizes beyond what a number holds, and a place to read at must be one.
      const highest = BigInt(Number.MAX_SAFE_INTEGER);
      return {
        size: Number(size > highest ? highest : size),
        allocated: Number(blocks) * 512,
        modifiedAt: mtimeNs,
      };
    },
    async read({ size, allocated }, end) {
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
      if (bytesRead === chunkBytes && bytes.equals(nothing)) {
        // More is to come than the file takes of the disk: a hole, which nobody could read to its end.
        const isHole = (end ?? size) - offset > allocated;
        return (isHole ? skip(end ?? size) : undefined) ?? skipTo(offset + bytesRead);
      }
      const isLast = end !== undefined && offset + bytesRead >= end;
      const length = bytesRead - (isLast ? 0 : countUnfinished(bytes));
      if (length === 0) {
        return undefined;
      }
      const taken = bytes.subarray(0, length);
      const newline = taken.lastIndexOf(0x0a);
      return {
        text: decodeStorable(taken),
        skippedBytes: 0,
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
