// The lines of one file's diff, as far as they are shown.
import { parseDiff, type ChangeData, type HunkData } from "react-diff-view";

/** A longer line is cut: nobody reads a megabyte of it, and the page would not bear it. */
const longestLine = 2_000;

/** Of a file's part of the diff, which is whole lines. */
export function readHunks(text: string): HunkData[] {
  const [file] = parseDiff(text, { nearbySequences: "zip" });
  return (file?.hunks ?? []).map((hunk) => ({ ...hunk, changes: hunk.changes.map(shorten) }));
}

function shorten(change: ChangeData): ChangeData {
  const { content } = change;
  if (content.length <= longestLine) return change;
  const rest = (content.length - longestLine).toLocaleString("en");
  return { ...change, content: `${content.slice(0, longestLine)} [${rest} more characters]` };
}

/** The first so many lines of them. */
export function firstLines(hunks: readonly HunkData[], most: number): HunkData[] {
  const shown: HunkData[] = [];
  let left = most;
  for (const hunk of hunks) {
    if (left <= 0) break;
    shown.push(
      hunk.changes.length <= left ? hunk : { ...hunk, changes: hunk.changes.slice(0, left) },
    );
    left -= hunk.changes.length;
  }
  return shown;
}

export function countChanges(hunks: readonly HunkData[]): number {
  return hunks.reduce((sum, { changes }) => sum + changes.length, 0);
}
