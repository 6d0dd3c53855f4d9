// Finds text in all blocks, a slice at a time, so that a long stream doesn't hold up the page.
import { linesOf, type Block } from "./blocks.ts";

export interface Match {
  readonly blockId: number;
  /** Of the block's lines. */
  readonly line: number;
  /** In the line. */
  readonly start: number;
}

/** A block in which something was found. */
export interface Found {
  readonly block: Block;
  readonly count: number;
  /** How many were found in the blocks before it. */
  readonly before: number;
}

const sliceMs = 8;

/** Whatever its case; undefined: there is nothing to look for. */
export function patternOf(query: string): RegExp | undefined {
  return query === "" ? undefined : new RegExp(escape(query), "gi");
}

function escape(text: string): string {
  return text.replace(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`);
}

export function matchesInLine(text: string, pattern: RegExp): { start: number; end: number }[] {
  return Array.from(text.matchAll(pattern), ({ index, 0: found }) => ({
    start: index,
    end: index + found.length,
  }));
}

export function matchesInBlock(block: Block, pattern: RegExp): Match[] {
  return linesOf(block).flatMap((text, line) =>
    matchesInLine(text, pattern).map(({ start }) => ({ blockId: block.id, line, start })),
  );
}

export interface Finder {
  /**
   * Looks through the blocks, and tells what it has found so far, at last with isDone. Another call ends the one
   * before. A block that has not changed since is not looked through again.
   */
  readonly find: (
    blocks: readonly Block[],
    tell: (found: readonly Found[], isDone: boolean) => void,
  ) => void;
  readonly stop: () => void;
}

export function createFinder(pattern: RegExp): Finder {
  const known = new WeakMap<Block, number>();
  let timer: number | undefined;

  function countIn(block: Block): number {
    const before = known.get(block);
    if (before !== undefined) return before;
    const count = matchesInBlock(block, pattern).length;
    known.set(block, count);
    return count;
  }

  return {
    find(blocks, tell) {
      window.clearTimeout(timer);
      const found: Found[] = [];
      let at = 0;
      let before = 0;
      const look = (): void => {
        const deadline = performance.now() + sliceMs;
        while (at < blocks.length && performance.now() < deadline) {
          const block = blocks[at];
          const count = block === undefined ? 0 : countIn(block);
          if (block !== undefined && count > 0) found.push({ block, count, before });
          before += count;
          at += 1;
        }
        const isDone = at >= blocks.length;
        tell(found, isDone);
        if (!isDone) timer = window.setTimeout(look, 0);
      };
      timer = window.setTimeout(look, 0);
    },
    stop() {
      window.clearTimeout(timer);
    },
  };
}
