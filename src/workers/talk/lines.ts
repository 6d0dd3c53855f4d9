// An agent's output by lines, as far as they are whole.
import type { OutputChunk } from "../../process/tail.ts";
import { skippedMarker } from "../output-meter.ts";

/** Characters of one line; what is longer is cut, with a marker. */
export const longestLine = 4 * 1024 * 1024;

export interface Line {
  readonly text: string;
  /** Of what the marker says that it was cut: the rest is nobody's protocol. */
  readonly isCut: boolean;
}

export interface LineReader {
  /** @returns the lines that the chunk brings to their ends, without line breaks */
  push(chunk: Pick<OutputChunk, "text" | "endOffset" | "lastLineOffset" | "skippedBytes">): Line[];
  /** Where to read on after a restart, in bytes: the beginning of the line that isn't whole yet. */
  readonly offset: number;
  /** @returns what came after the last line break, when no more comes */
  flush(): Line[];
}

export function createLineReader(startOffset: number): LineReader {
  let offset = startOffset;
  let reached = startOffset;
  let parts: string[] = [];
  let held = 0;
  let dropped = 0;
  /** Bytes that were left out, after which the rest of a line is none. */
  let skipped = 0;

  function hold(text: string): void {
    const kept = text.slice(0, longestLine - held);
    if (kept !== "") parts.push(kept);
    held += kept.length;
    dropped += text.length - kept.length;
  }

  function release(): Line {
    const whole = parts.join("");
    const isCut = dropped > 0;
    const text = isCut
      ? `${whole}\n[${String(dropped)} more characters of this line are not kept]`
      : whole;
    forget();
    return { text: text.endsWith("\r") ? text.slice(0, -1) : text, isCut };
  }

  function forget(): void {
    parts = [];
    held = 0;
    dropped = 0;
  }

  function releaseSkipped(): Line {
    const text = skippedMarker(skipped).trim();
    skipped = 0;
    return { text, isCut: true };
  }

  return {
    push({ text, endOffset, lastLineOffset, skippedBytes }) {
      const lines: Line[] = [];
      let from = 0;
      skipped += skippedBytes;
      if (skipped > 0) {
        forget();
        const end = text.indexOf("\n");
        from = end === -1 ? text.length : end + 1;
        if (end !== -1) lines.push(releaseSkipped());
      }
      for (let end = text.indexOf("\n", from); end !== -1; end = text.indexOf("\n", from)) {
        hold(text.slice(from, end));
        lines.push(release());
        from = end + 1;
      }
      hold(text.slice(from));
      // The file was emptied: what was held of it is gone.
      if (endOffset < reached) offset = 0;
      reached = endOffset;
      offset = lastLineOffset ?? offset;
      return lines;
    },
    get offset() {
      return offset;
    },
    flush() {
      offset = reached;
      if (skipped > 0) return [releaseSkipped()];
      return held === 0 ? [] : [release()];
    },
  };
}
