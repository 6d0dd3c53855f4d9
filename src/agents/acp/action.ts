// What a tool call will do, as its own arguments say: the title is the model's description alone.
import { listIn, numberIn, objectIn, textIn, type JsonObject } from "../json.ts";
import { cut } from "../said.ts";
import type { AgentAction } from "../talk.ts";

const longestCommand = 8_000;
const longestPlace = 1_000;
const mostLocations = 50;
/** Lines around a change that are shown unchanged. */
const contextLines = 3;
/** A diff of longer texts is not looked for: all of the old is shown as going, all of the new as coming. */
const longestDiff = 65_536;

export const noAction: AgentAction = { command: null, kind: null, locations: [], diff: null };

/** What the call says itself, else what it said before. */
export function readAction(toolCall: JsonObject, before: AgentAction = noAction): AgentAction {
  const locations = readLocations(toolCall);
  return {
    command: readCommand(objectIn(toolCall, "rawInput")) ?? before.command,
    kind: textIn(toolCall, "kind") ?? before.kind,
    locations: locations.length > 0 ? locations : before.locations,
    diff: readDiff(toolCall) ?? before.diff,
  };
}

/** Agents give one line for a shell, or a program with its arguments. */
function readCommand(input: JsonObject): string | null {
  const { command } = input;
  const words = [
    ...(typeof command === "string" ? [command] : textsIn(input, "command").map(quote)),
    ...textsIn(input, "args").map(quote),
  ];
  return words.length === 0 || typeof command === "undefined"
    ? null
    : cut(visible(words.join(" ")), longestCommand);
}

function textsIn(value: JsonObject, name: string): string[] {
  return listIn(value, name).filter((part) => typeof part === "string");
}

/** As a shell would need it to take the word for one. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** Places that the call names, and where its command runs. */
function readLocations(toolCall: JsonObject): string[] {
  const named = listIn(toolCall, "locations").flatMap((place) => {
    const path = textIn(place, "path");
    const line = numberIn(place, "line");
    if (path === undefined) return [];
    return [line === undefined ? path : `${path}:${String(line)}`];
  });
  const written = listIn(toolCall, "content").flatMap((part) =>
    textIn(part, "type") === "diff" ? (textIn(part, "path") ?? []) : [],
  );
  const paths = named.length > 0 ? named : written;
  const all = [...new Set(paths)].map((path) => cut(visible(path), longestPlace));
  if (all.length <= mostLocations) return all;
  const left = all.length - mostLocations;
  return [...all.slice(0, mostLocations), `and ${String(left)} more`];
}

function readDiff(toolCall: JsonObject): string | null {
  const diffs = listIn(toolCall, "content").flatMap((part) => {
    if (textIn(part, "type") !== "diff") return [];
    const path = textIn(part, "path") ?? "";
    return [unifiedDiff(path, textIn(part, "oldText") ?? null, textIn(part, "newText") ?? "")];
  });
  const raw = textIn(objectIn(toolCall, "rawInput"), "diff");
  if (diffs.length === 0 && raw !== undefined && raw !== "") diffs.push(raw);
  return diffs.length === 0 ? null : cut(visible(diffs.join("\n")));
}

/** One hunk from the first line that differs to the last; agents often give whole files. */
function unifiedDiff(path: string, before: string | null, after: string): string {
  const [old, now] = [linesOf(before ?? ""), linesOf(after)];
  const isLong = (before?.length ?? 0) + after.length > longestDiff;
  const first = isLong ? 0 : countAlike(old, now);
  const last = isLong ? 0 : countAlike(old.slice(first).reverse(), now.slice(first).reverse());
  const from = Math.max(0, first - contextLines);
  const kept = Math.min(last, contextLines);
  const [oldEnd, nowEnd] = [old.length - last, now.length - last];
  const range = (start: number, end: number) =>
    `${String(end === 0 ? 0 : start + 1)},${String(end - start)}`;
  return [
    `--- ${before === null ? "/dev/null" : path}`,
    `+++ ${path}`,
    `@@ -${range(from, oldEnd + kept)} +${range(from, nowEnd + kept)} @@`,
    ...old.slice(from, first).map((line) => ` ${line}`),
    ...old.slice(first, oldEnd).map((line) => `-${line}`),
    ...now.slice(first, nowEnd).map((line) => `+${line}`),
    ...old.slice(oldEnd, oldEnd + kept).map((line) => ` ${line}`),
  ].join("\n");
}

function linesOf(text: string): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** How many lines are the same from the start on. */
function countAlike(some: readonly string[], others: readonly string[]): number {
  const at = some.findIndex((line, index) => line !== others[index]);
  return at === -1 ? Math.min(some.length, others.length) : at;
}

/** What is hidden, or turns the direction of the text, would show another command than the one that runs. */
function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (mark) =>
    mark === "\n" || mark === "\t" ? mark : "\uFFFD",
  );
}
