// Output becomes lines, and lines blocks.
import { nextId, type BlockList } from "./block-list.ts";
import type { OutputBlock } from "./blocks.ts";
import type { WorkerEvent } from "./operations.ts";
import { longestLine, splitOutput, type OpenLine, type OutputLine } from "./output-lines.ts";

/** So that few lines are drawn which nobody sees. */
const mostLinesInBlock = 20;
const mostCharactersInBlock = 2 * longestLine;

type OutputEvent = Extract<WorkerEvent, { __typename: "WorkerOutputEvent" }>;

/** What a channel has printed last. */
export interface ChannelEnd {
  open: OpenLine;
  /** The block whose last line is the open one; undefined where nothing is open. */
  blockId: number | undefined;
}

export type Channels = Record<OutputBlock["channel"], ChannelEnd>;

export function appendOutput(list: BlockList, channels: Channels, event: OutputEvent): void {
  const end = channels[event.channel];
  const { lines, open } = splitOutput(end.open, event.text);
  const before = end.blockId === undefined ? undefined : list.find(end.blockId);
  let rest = lines;
  if (before?.type === "output" && lines[0] !== undefined) {
    list.replace(withLines(before, [...before.lines.slice(0, -1), lines[0]]));
    rest = lines.slice(1);
  }
  for (let at = 0; at < rest.length;) {
    const block = fillable(list, event);
    const taken = take(block, rest, at);
    list.replace(withLines(block, [...block.lines, ...taken]));
    at += taken.length;
  }
  end.open = open;
  if (open.raw === "") end.blockId = undefined;
  else if (rest.length > 0) end.blockId = list.last?.id;
}

/** The last block, where it is of the channel and has room; else a new one. */
function fillable(list: BlockList, { channel, sequence, at }: OutputEvent): OutputBlock {
  const { last } = list;
  if (
    last?.type === "output" &&
    last.channel === channel &&
    last.lines.length < mostLinesInBlock &&
    last.characters < mostCharactersInBlock
  ) {
    return last;
  }
  const block: OutputBlock = {
    type: "output",
    id: nextId(),
    sequence,
    at,
    channel,
    lines: [],
    characters: 0,
  };
  list.push(block);
  return block;
}

/** As many of the lines from there on as the block has room for; one at least. */
function take(block: OutputBlock, lines: readonly OutputLine[], from: number): OutputLine[] {
  const most = Math.max(1, mostLinesInBlock - block.lines.length);
  let characters = block.characters;
  let end = from;
  do {
    characters += lines[end]?.raw.length ?? 0;
    end += 1;
  } while (end < lines.length && end - from < most && characters < mostCharactersInBlock);
  return lines.slice(from, end);
}

export function withLines(block: OutputBlock, lines: readonly OutputLine[]): OutputBlock {
  return { ...block, lines, characters: lines.reduce((sum, { raw }) => sum + raw.length, 0) };
}
