// Output comes in pieces that know nothing of lines: from pieces to lines, each with the look that it begins with.
import { hasControls, readRuns, type Look } from "./ansi.ts";

/** A longer line goes on in the next one: a line of a megabyte is never one element of the page. */
export const longestLine = 2_000;

export interface OutputLine {
  /** With its escapes. */
  readonly raw: string;
  readonly look: Look;
}

/** The pieces of one channel: what its last line holds, and whether that goes on. */
export interface OpenLine {
  readonly raw: string;
  readonly look: Look;
}

/**
 * @returns the lines from the open one on, and that which is open after them: also the last of the lines, unless
 * it is empty
 */
export function splitOutput(
  open: OpenLine,
  text: string,
): { readonly lines: OutputLine[]; readonly open: OpenLine } {
  const parts = text.split("\n");
  const lines: OutputLine[] = [];
  let { raw, look } = open;
  parts.forEach((part, at) => {
    raw += part;
    const start = startOfLast(raw);
    if (start > 0) {
      look = lookAfter(raw.slice(0, start), look);
      raw = raw.slice(start);
    }
    while (raw.length > longestLine) {
      const head = raw.slice(0, cutAt(raw));
      lines.push({ raw: head, look });
      look = lookAfter(head, look);
      raw = raw.slice(head.length);
    }
    const goesOn = at === parts.length - 1;
    if (goesOn) {
      if (raw !== "") lines.push({ raw, look });
      return;
    }
    if (raw.endsWith("\r")) raw = raw.slice(0, -1);
    lines.push({ raw, look });
    look = lookAfter(raw, look);
    raw = "";
  });
  return { lines, open: { raw, look } };
}

export function lookAfter(raw: string, look: Look): Look {
  return hasControls(raw) ? readRuns(raw, look).next : look;
}

/** A carriage return begins the line anew: what progress bars do. One at the end may be half of a line's end. */
function startOfLast(raw: string): number {
  return raw.lastIndexOf("\r", raw.length - 2) + 1;
}

/** Not within an escape or a pair of surrogates, where that can be helped. */
function cutAt(raw: string): number {
  const escape = raw.lastIndexOf("\u001b", longestLine - 1);
  // An escape that has begun and may not have ended: the cut comes before it.
  if (escape > longestLine - 64) return escape;
  const unit = raw.charCodeAt(longestLine);
  return unit >= 0xdc00 && unit <= 0xdfff ? longestLine - 1 : longestLine;
}
