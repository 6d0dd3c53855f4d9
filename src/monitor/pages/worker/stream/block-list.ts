// The blocks of a stream in their order, and how much they hold.
import { countCharacters, countLines, type Block } from "./blocks.ts";

let lastId = 0;

export function nextId(): number {
  lastId += 1;
  return lastId;
}

export class BlockList {
  #blocks: Block[] = [];
  #lines = 0;
  #characters = 0;

  get blocks(): readonly Block[] {
    return this.#blocks;
  }

  get lines(): number {
    return this.#lines;
  }

  get characters(): number {
    return this.#characters;
  }

  get last(): Block | undefined {
    return this.#blocks.at(-1);
  }

  find(id: number): Block | undefined {
    return this.#blocks[this.#indexOf(id)];
  }

  push(block: Block): void {
    this.#blocks.push(block);
    this.#count(block, 1);
  }

  /** Puts the block in the place of the one with its id; nothing happens where that is gone. */
  replace(block: Block): void {
    const at = this.#indexOf(block.id);
    const before = this.#blocks[at];
    if (before === undefined) return;
    this.#count(before, -1);
    this.#blocks[at] = block;
    this.#count(block, 1);
  }

  remove(id: number): void {
    const at = this.#indexOf(id);
    const before = this.#blocks[at];
    if (before === undefined) return;
    this.#count(before, -1);
    this.#blocks.splice(at, 1);
  }

  /** In front of all others, in their order. */
  prepend(blocks: readonly Block[]): void {
    this.#blocks = [...blocks, ...this.#blocks];
    for (const block of blocks) this.#count(block, 1);
  }

  /** The oldest go while there is more than that. @returns the last one that went */
  limit(mostLines: number, mostCharacters: number): Block | undefined {
    let count = 0;
    while (
      count < this.#blocks.length - 1 &&
      (this.#lines > mostLines || this.#characters > mostCharacters)
    ) {
      const block = this.#blocks[count];
      if (block !== undefined) this.#count(block, -1);
      count += 1;
    }
    return this.#blocks.splice(0, count).at(-1);
  }

  #count(block: Block, sign: 1 | -1): void {
    this.#lines += sign * countLines(block);
    this.#characters += sign * countCharacters(block);
  }

  /** What changes stands near the end, nearly always. */
  #indexOf(id: number): number {
    return this.#blocks.findLastIndex((block) => block.id === id);
  }
}
