// From events to blocks, one after the other.
import { plainLook } from "./ansi.ts";
import { appendOutput, type Channels } from "./append-output.ts";
import { BlockList, nextId } from "./block-list.ts";
import type { MessageBlock, PermissionBlock, ToolBlock } from "./blocks.ts";
import type { WorkerEvent } from "./operations.ts";

export const longestMessage = 20_000;
/** Of one tool's call: a tool that tells of its progress all the time has its last words kept. */
const mostContents = 20;
const leftOut = "[what it told before is left out]";

type EventOf<Name extends WorkerEvent["__typename"]> = Extract<WorkerEvent, { __typename: Name }>;

export interface Builder {
  readonly list: BlockList;
  readonly channels: Channels;
  /** The sequence of the last event; undefined before the first. */
  lastSequence: number | undefined;
  readonly calls: Map<string, ToolBlock>;
  readonly requests: Map<string, PermissionBlock>;
}

export function createBuilder(): Builder {
  const end = () => ({ open: { raw: "", look: plainLook }, blockId: undefined });
  return {
    list: new BlockList(),
    channels: { STDOUT: end(), STDERR: end() },
    lastSequence: undefined,
    calls: new Map(),
    requests: new Map(),
  };
}

export function append(builder: Builder, event: WorkerEvent): void {
  const { list, lastSequence } = builder;
  const { sequence, at } = event;
  if (lastSequence !== undefined && sequence > lastSequence + 1) {
    const text = `The events ${String(lastSequence + 1)} to ${String(sequence - 1)} are no longer kept by the server.`;
    list.push({ type: "gap", id: nextId(), sequence, at, text });
  }
  builder.lastSequence = sequence;
  switch (event.__typename) {
    case "WorkerOutputEvent":
      appendOutput(list, builder.channels, event);
      break;
    case "WorkerMessageEvent":
      appendMessage(list, event);
      break;
    case "WorkerToolCallEvent":
      appendToolCall(builder, event);
      break;
    case "WorkerPermissionEvent":
      appendPermission(builder, event);
      break;
    case "WorkerStatusEvent": {
      const { status, reason } = event;
      list.push({ type: "status", id: nextId(), sequence, at, status, reason });
      break;
    }
    case "WorkerUsageEvent":
      appendUsage(list, event);
      break;
    case "WorkerBlockedEvent":
      // The facts beside the stream list them, with what can be done about it.
      break;
    case "WorkerReportEvent": {
      const { message, outcome } = event;
      list.push({ type: "report", id: nextId(), sequence, at, message, outcome });
      break;
    }
  }
}

/** Forgets what went with the oldest blocks. */
export function limit(
  { list, calls, requests }: Builder,
  mostLines: number,
  mostCharacters: number,
): boolean {
  const gone = list.limit(mostLines, mostCharacters);
  if (gone === undefined) return false;
  for (const known of [calls, requests]) {
    for (const [id, { sequence }] of known) if (sequence <= gone.sequence) known.delete(id);
  }
  return true;
}

function appendMessage(list: BlockList, event: EventOf<"WorkerMessageEvent">): void {
  const { last } = list;
  const { role, text, sequence, at } = event;
  const isSame = last?.type === "message" && last.role === role && role !== "USER";
  if (isSame && last.text.length < longestMessage) {
    list.replace(withText(last, text));
    return;
  }
  list.push({ type: "message", id: nextId(), sequence, at, role, text, goesOn: isSame });
}

/** Some agents tell a message in pieces, some at once: what begins after a sentence's end is another one. */
export function withText(block: MessageBlock, text: string): MessageBlock {
  const isAnother = /[.:!?)`*]$/.test(block.text) && /^[\p{Lu}#`*-]/u.test(text);
  return { ...block, text: `${block.text}${isAnother ? "\n\n" : ""}${text}` };
}

function appendToolCall(builder: Builder, event: EventOf<"WorkerToolCallEvent">): void {
  const { list, calls } = builder;
  const {
    toolCallId,
    title,
    kind: toolKind,
    toolCallStatus: status,
    content,
    sequence,
    at,
  } = event;
  const isPlan = toolKind === "plan";
  // A plan is told whole each time, and stands where it was told.
  const known = isPlan ? planAtEnd(list) : calls.get(toolCallId);
  const before = known !== undefined && !isPlan ? known.contents : [];
  const block: ToolBlock = {
    type: "tool",
    id: known?.id ?? nextId(),
    sequence: known?.sequence ?? sequence,
    at: known?.at ?? at,
    toolCallId,
    title,
    toolKind,
    status,
    contents: content === null ? before : withContent(before, content.trimEnd()),
  };
  if (known === undefined) list.push(block);
  else list.replace(block);
  if (!isPlan) calls.set(toolCallId, block);
}

function planAtEnd({ last }: BlockList): ToolBlock | undefined {
  return last?.type === "tool" && last.toolKind === "plan" ? last : undefined;
}

export function withContent(contents: readonly string[], content: string): readonly string[] {
  const last = contents.at(-1);
  // An agent may tell again what it told, with more behind it.
  const kept = last !== undefined && content.startsWith(last) ? contents.slice(0, -1) : contents;
  const all = [...kept, content];
  return all.length <= mostContents ? all : [leftOut, ...all.slice(1 - mostContents)];
}

function appendPermission(builder: Builder, event: EventOf<"WorkerPermissionEvent">): void {
  const { list, requests } = builder;
  const { request, sequence, at } = event;
  const known = requests.get(request.id);
  const block: PermissionBlock = {
    type: "permission",
    id: known?.id ?? nextId(),
    sequence: known?.sequence ?? sequence,
    at: known?.at ?? at,
    request,
  };
  if (known === undefined) list.push(block);
  else list.replace(block);
  requests.set(request.id, block);
}

function appendUsage(list: BlockList, { usage, sequence, at }: EventOf<"WorkerUsageEvent">): void {
  const { last } = list;
  if (last?.type === "usage") list.replace({ ...last, usage });
  else list.push({ type: "usage", id: nextId(), sequence, at, usage });
}
