// What a running agent prints, as its protocol hears it: standard output by whole lines, standard error as it
// comes, both without the session's secrets.
import type { WorkerSession } from "../../generated/prisma/client.ts";
import type { OutputChunk, OutputOffsets } from "../../process/tail.ts";
import { skippedMarker, type OutputMeter } from "../output-meter.ts";
import type { Secrets } from "../secrets.ts";
import { createLineReader, type Line } from "./lines.ts";

export interface Ear {
  /** @returns the lines that the chunk brings to their ends */
  stdout(chunk: OutputChunk): readonly Line[];
  /** @returns what may be stored of it by now; "" where that is nothing */
  stderr(chunk: OutputChunk): string;
  /** @returns what both still hold, when no more comes */
  flush(): { readonly lines: readonly Line[]; readonly stderr: string };
  /** Where to read on, once all that was returned is stored. */
  offsets(): OutputOffsets;
}

export function createEar(
  session: Pick<WorkerSession, "stdoutOffset" | "stderrOffset">,
  { redact, createRedactor }: Pick<Secrets, "redact" | "createRedactor">,
  meter: OutputMeter,
): Ear {
  const reader = createLineReader(Number(session.stdoutOffset));
  const errors = createRedactor();
  /** How far standard error was read, and how much of it may be stored. */
  const stderr = { read: Number(session.stderrOffset), stored: Number(session.stderrOffset) };

  function redacted(lines: readonly Line[]): Line[] {
    return lines.map(({ text, isCut }) => ({ text: redact(text), isCut }));
  }

  let skipped = 0;

  function takeMarker(): string {
    const marker = skipped === 0 ? "" : skippedMarker(skipped);
    skipped = 0;
    return marker;
  }

  return {
    stdout: (chunk) => redacted(reader.push(chunk)),
    stderr({ text, endOffset, skippedBytes }) {
      stderr.read = endOffset;
      skipped += skippedBytes;
      if (text === "") return "";
      const shown = errors.push(meter.keep(takeMarker() + text));
      stderr.stored = Math.max(0, stderr.read - errors.heldBytes());
      return shown;
    },
    flush() {
      const lines = redacted(reader.flush());
      const rest = errors.flush() + takeMarker();
      stderr.stored = stderr.read;
      return { lines, stderr: rest };
    },
    offsets: () => ({ stdout: reader.offset, stderr: stderr.stored }),
  };
}
