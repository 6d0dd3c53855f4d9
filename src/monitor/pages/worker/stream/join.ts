// Earlier events come in front of what is there: what was cut apart between them is one again.
import { plainLook, type Look } from "./ansi.ts";
import type { OutputBlock } from "./blocks.ts";
import { withLines } from "./append-output.ts";
import {
  append,
  createBuilder,
  longestMessage,
  withContent,
  withText,
  type Builder,
} from "./builder.ts";
import { lookAfter, splitOutput } from "./output-lines.ts";
import type { WorkerEvent } from "./operations.ts";

export function prepend(builder: Builder, events: readonly WorkerEvent[]): void {
  const earlier = createBuilder();
  for (const event of events) append(earlier, event);
  builder.lastSequence ??= earlier.lastSequence;
  joinOutput(earlier, builder, "STDOUT");
  joinOutput(earlier, builder, "STDERR");
  joinMessage(earlier, builder);
  joinCalls(earlier, builder);
  joinRequests(earlier, builder);
  builder.list.prepend(earlier.list.blocks);
}

function joinOutput(earlier: Builder, later: Builder, channel: OutputBlock["channel"]): void {
  const { open, blockId } = earlier.channels[channel];
  const first = later.list.blocks.find(
    (block): block is OutputBlock => block.type === "output" && block.channel === channel,
  );
  if (first === undefined) {
    // It printed nothing since: what comes goes on where the earlier events end.
    if (later.channels[channel].blockId === undefined) {
      later.channels[channel] = { open, blockId };
    }
    return;
  }
  let block = first;
  if (blockId !== undefined) {
    const [head, ...rest] = first.lines;
    const joined = splitOutput(open, head?.raw ?? "");
    block = withLines(first, [...joined.lines, ...rest]);
    later.list.replace(block);
    removeLastLine(earlier, blockId);
  }
  recolour(later, block, blockId === undefined ? open.look : lookOf(block));
}

function removeLastLine({ list }: Builder, blockId: number): void {
  const block = list.find(blockId);
  if (block?.type !== "output") return;
  if (block.lines.length === 1) list.remove(blockId);
  else list.replace(withLines(block, block.lines.slice(0, -1)));
}

function lookOf({ lines }: OutputBlock): Look {
  return lines[0]?.look ?? plainLook;
}

/** The lines from the block on were read as if nothing had been before them. */
function recolour({ list, channels }: Builder, first: OutputBlock, start: Look): void {
  let look = start;
  let isReached = false;
  for (const block of list.blocks) {
    isReached ||= block.id === first.id;
    if (!isReached || block.type !== "output" || block.channel !== first.channel) continue;
    const lines = block.lines.map((line) => {
      const own = { raw: line.raw, look };
      look = lookAfter(line.raw, look);
      return own;
    });
    const isSettled = lines.every((line, at) => isSame(line.look, block.lines[at]?.look));
    // From where both ways of reading agree they agree for good.
    if (isSettled && block.id !== first.id) return;
    list.replace(withLines(block, lines));
    const end = channels[block.channel];
    const last = lines.at(-1);
    if (end.blockId === block.id && last !== undefined) end.open = last;
  }
  if (channels[first.channel].blockId === undefined)
    channels[first.channel].open = { raw: "", look };
}

function isSame(one: Look, other: Look | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function joinMessage(earlier: Builder, later: Builder): void {
  const last = earlier.list.last;
  const [first] = later.list.blocks;
  if (last?.type !== "message" || first?.type !== "message") return;
  if (last.role !== first.role || last.role === "USER") return;
  if (last.text.length + first.text.length > longestMessage) {
    later.list.replace({ ...first, goesOn: true });
    return;
  }
  later.list.replace({ ...withText(last, first.text), id: first.id });
  earlier.list.remove(last.id);
}

/** A call is one block, where it began. */
function joinCalls(earlier: Builder, later: Builder): void {
  for (const [id, call] of earlier.calls) {
    const known = later.calls.get(id);
    const whole =
      known === undefined
        ? call
        : {
            ...call,
            title: known.title,
            toolKind: known.toolKind,
            status: known.status,
            contents: known.contents.reduce(withContent, call.contents),
          };
    if (known !== undefined) {
      earlier.list.replace(whole);
      later.list.remove(known.id);
    }
    later.calls.set(id, whole);
  }
}

function joinRequests(earlier: Builder, later: Builder): void {
  for (const [id, block] of earlier.requests) {
    const known = later.requests.get(id);
    if (known !== undefined) {
      earlier.list.replace({ ...block, request: known.request });
      later.list.remove(known.id);
    }
    later.requests.set(id, { ...block, request: known?.request ?? block.request });
  }
}
