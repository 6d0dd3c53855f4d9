// How high a block will be, before it is drawn: near enough for the scroll bar.
import { countLines, type Block } from "./blocks.ts";

const lineHeight = 18;
const characterWidth = 7.3;
const heads: Readonly<Record<Block["type"], number>> = {
  output: 0,
  message: 34,
  tool: 16,
  permission: 34,
  status: 12,
  usage: 8,
  report: 40,
  gap: 12,
};
/** Of what is shown so far until more is asked for. */
const shortLines = 13;

export type Estimate = (block: Block, width: number) => number;

/** Remembers each block's, until the width is another one. */
export function createEstimate(): Estimate {
  let known = new WeakMap<Block, number>();
  let knownWidth = 0;
  return (block, width) => {
    if (width !== knownWidth) {
      known = new WeakMap();
      knownWidth = width;
    }
    const before = known.get(block);
    if (before !== undefined) return before;
    const height = heads[block.type] + lineHeight * rowsOf(block, width);
    known.set(block, height);
    return height;
  };
}

function rowsOf(block: Block, width: number): number {
  const columns = Math.max(20, Math.floor(width / characterWidth));
  if (block.type === "output") {
    return block.lines.reduce(
      (sum, { raw }) => sum + Math.max(1, Math.ceil(raw.length / columns)),
      0,
    );
  }
  if (block.type === "message" && block.role === "AGENT") {
    return countLines(block) + Math.floor(block.text.length / columns);
  }
  return Math.min(countLines(block), shortLines);
}
