// Tool calls and plans, from the agent's updates to events.
import path from "node:path";
import type { ToolCallStatus } from "@agentclientprotocol/sdk";
import { callsIn, findCall, withCall, type Calls } from "../calls.ts";
import { isObject, listIn, numberIn, objectIn, textIn, type JsonObject } from "../json.ts";
import { cut } from "../said.ts";
import { readAction } from "./action.ts";
import { change, goOn, type Draft, type KnownCall } from "./state.ts";

/**
 * How many calls are remembered, and of those that have ended: agents repeat their last word on them. All of
 * them are copied with each change, and stored with each step.
 */
const mostCalls = 100;
const mostEnded = 10;
const longestTitle = 2_000;

export function onToolCall(draft: Draft, update: JsonObject, isNew: boolean): void {
  const toolCallId = textIn(update, "toolCallId");
  if (toolCallId === undefined) return;
  const { worktree } = draft.state;
  const toolCalls = callsIn(draft.state.toolCalls);
  const known = findCall(toolCalls, toolCallId);
  const title = textIn(update, "title");
  const status =
    statusOf(textIn(update, "status")) ?? known?.status ?? (isNew ? "PENDING" : "RUNNING");
  const isOver = status === "COMPLETED" || status === "FAILED";
  const call: KnownCall = {
    title: title === undefined || title === "" ? (known?.title ?? toolCallId) : shortTitle(title),
    kind: textIn(update, "kind") ?? known?.kind ?? null,
    status,
    isOutside: isOutside(update, worktree) || known?.isOutside === true,
    ...(isOver ? {} : { action: readAction(update, known?.action) }),
  };
  goOn(draft, "worked");
  const told = contentOf(update);
  const printed = printedIn(update);
  const content = printed === null ? told : cut([told, printed].filter(Boolean).join("\n"));
  change(draft, {
    toolCalls: isKnown(known, call) ? toolCalls : remember(toolCalls, toolCallId, call),
    isSpeaking: false,
    toolEnded: draft.state.toolEnded || hasEnded(call),
  });
  // Agents repeat themselves, and tell what is of use to their own editors alone.
  if (content === null && known !== undefined && isSame(known, call)) return;
  draft.events.push({
    type: "toolCall",
    goesOn: told === null && printed !== null,
    payload: {
      toolCallId,
      title: call.title,
      kind: call.kind,
      toolCallStatus: call.status,
      content,
    },
  });
}

function isKnown(known: KnownCall | undefined, call: KnownCall): boolean {
  return (
    known !== undefined &&
    isSame(known, call) &&
    known.isOutside === call.isOutside &&
    JSON.stringify(known.action) === JSON.stringify(call.action)
  );
}

function isSame(a: KnownCall, b: KnownCall): boolean {
  return a.title === b.title && a.kind === b.kind && a.status === b.status;
}

function remember(calls: Calls<KnownCall>, id: string, call: KnownCall): Calls<KnownCall> {
  const all = withCall(calls, id, call);
  // The oldest go first, ended ones before those that go on.
  const others = all.filter(([other]) => other !== id);
  const ended = others.filter(([, other]) => isOfNoUse(other));
  const surplus = Math.max(0, ended.length - mostEnded, all.length - mostCalls);
  if (surplus === 0) return all;
  const needed = others.filter(([, other]) => !isOfNoUse(other));
  const forgotten = new Set([...ended, ...needed].slice(0, surplus));
  return all.filter((other) => !forgotten.has(other));
}

/** It may be asked about a place outside even after its end, and the answer depends on that. */
function isOfNoUse(call: KnownCall): boolean {
  return hasEnded(call) && !call.isOutside;
}

function hasEnded(call: KnownCall): boolean {
  return call.status === "COMPLETED" || call.status === "FAILED";
}

/** The agent's list of what is to be done, shown as a tool call whose content is a checklist. */
export function onPlan(draft: Draft, update: JsonObject): void {
  const entries = listIn(update, "entries");
  const lines = entries.map((entry) => {
    const status = textIn(entry, "status");
    const mark = status === "completed" ? "x" : status === "in_progress" ? "~" : " ";
    return `- [${mark}] ${textIn(entry, "content") ?? ""}`;
  });
  const isDone = entries.every((entry) => textIn(entry, "status") === "completed");
  goOn(draft, "worked");
  change(draft, { isSpeaking: false });
  draft.events.push({
    type: "toolCall",
    payload: {
      toolCallId: "plan",
      title: "Plan",
      kind: "plan",
      toolCallStatus: isDone ? "COMPLETED" : "RUNNING",
      content: cut(lines.join("\n")),
    },
  });
}

export function shortTitle(title: string): string {
  return cut(title, longestTitle);
}

function statusOf(status: string | undefined): KnownCall["status"] | undefined {
  return status === undefined || !Object.hasOwn(statuses, status) ? undefined : statuses[status];
}

const statuses: Readonly<Record<string, KnownCall["status"]>> = {
  pending: "PENDING",
  in_progress: "RUNNING",
  completed: "COMPLETED",
  failed: "FAILED",
} satisfies Record<ToolCallStatus, KnownCall["status"]>;

function contentOf(update: JsonObject): string | null {
  const parts = listIn(update, "content").flatMap((part) => {
    switch (textIn(part, "type")) {
      case "content":
        return [textOfBlock(objectIn(part, "content"))];
      case "diff":
        return [textOfDiff(part)];
      default:
        // A terminal is the agent's own: Factory offers none, and can't look into it.
        return [];
    }
  });
  if (parts.length > 0) return cut(parts.join("\n"));
  const raw = update["rawOutput"];
  return typeof raw === "string" && raw !== "" ? cut(raw) : null;
}

/** What a command of codex' has printed since the last update, and that it failed. */
function printedIn(update: JsonObject): string | null {
  const meta = objectIn(update, "_meta");
  const data =
    textIn(objectIn(meta, "terminal_output_delta"), "data") ??
    textIn(objectIn(meta, "terminal_output"), "data") ??
    "";
  const exitCode = numberIn(objectIn(meta, "terminal_exit"), "exit_code") ?? 0;
  const exit = exitCode === 0 ? "" : `[exit code ${String(exitCode)}]`;
  const text =
    exit === "" || data === "" || data.endsWith("\n") ? `${data}${exit}` : `${data}\n${exit}`;
  return text === "" ? null : text;
}

function textOfDiff(part: unknown): string {
  const before = textIn(part, "oldText");
  const lines = (text: string, mark: string) => text.split("\n").map((line) => `${mark}${line}`);
  return [
    textIn(part, "path") ?? "",
    ...(before === undefined ? [] : lines(cut(before), "-")),
    ...lines(cut(textIn(part, "newText") ?? ""), "+"),
  ].join("\n");
}

/** What can be read of a block of content. */
export function textOfBlock(block: JsonObject): string {
  switch (textIn(block, "type")) {
    case "text":
      return textIn(block, "text") ?? "";
    case "resource_link":
      return `[${textIn(block, "name") ?? "link"}](${textIn(block, "uri") ?? ""})`;
    case "resource": {
      const resource = objectIn(block, "resource");
      return textIn(resource, "text") ?? `[resource ${textIn(resource, "uri") ?? ""}]`;
    }
    default:
      return `[${textIn(block, "type") ?? "unknown content"}]`;
  }
}

/** Whether a tool call names a place outside of the worktree. */
export function isOutside(toolCall: JsonObject, worktree: string): boolean {
  const places = [...listIn(toolCall, "locations"), ...listIn(toolCall, "content")];
  return places.some((place) => {
    const named = isObject(place) ? textIn(place, "path") : undefined;
    return named !== undefined && !isInside(named, worktree);
  });
}

/** By the letters of the path alone: what a link leads to is not known here. */
function isInside(place: string, worktree: string): boolean {
  const relative = path.relative(worktree, path.resolve(worktree, place));
  return relative === "" || (!path.isAbsolute(relative) && relative.split(path.sep)[0] !== "..");
}
