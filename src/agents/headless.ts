// What the readers of headless agents share: each reads lines of JSON that its program prints in one turn.
import { parseObject, type JsonObject } from "./json.ts";
import { endedEarly } from "./reason.ts";
import { appendToMessage, cut, message, output, usageEvent } from "./said.ts";
import type {
  AgentEvent,
  AgentUsage,
  AgentVerdict,
  PermissionPolicy,
  Protocol,
  Step,
  TalkStart,
  TalkState,
} from "./talk.ts";

export interface HeadlessState extends TalkState {
  readonly permissions: PermissionPolicy;
  /** Of the conversation before this session, which some agents count in. */
  readonly usageBefore: AgentUsage | null;
  /** Updates of a tool call tell only what has changed. */
  readonly toolCalls: Readonly<Record<string, { readonly title: string; readonly kind: string }>>;
  /** What the agent calls the message or the answer that it is at. */
  readonly current: string | null;
  /** Whether the next part goes on with lastMessage. */
  readonly isSpeaking: boolean;
  /** The last trouble that it told of, which it may have overcome. */
  readonly trouble: string | null;
}

/** One step in the making. */
export interface HeadlessDraft {
  state: HeadlessState;
  readonly events: AgentEvent[];
  readonly lines: string[];
}

/** @returns false where it doesn't know the line, which is kept as output then */
export type LineReader = (draft: HeadlessDraft, line: JsonObject) => boolean;

/** @param readLine for each line that is a JSON object */
export function headless(readLine: LineReader): Protocol<HeadlessState> {
  return {
    isSpokenTo: false,
    begin: (start) => ({ state: initialState(start), events: [], lines: [] }),
    read(state, line): Step<HeadlessState> {
      const draft: HeadlessDraft = { state, events: [], lines: [] };
      const object = parseObject(line);
      if (object === undefined || !readLine(draft, object)) draft.events.push(output(line));
      return draft;
    },
    ask: (state) => ({ state, events: [], lines: [] }),
    conclude: (state, exit) => state.verdict ?? endedEarly(exit),
  };
}

function initialState({ permissions, resume }: TalkStart): HeadlessState {
  return {
    phase: "starting",
    conversationId: null,
    usage: null,
    turns: 0,
    lastMessage: null,
    verdict: null,
    permissions,
    usageBefore: resume?.usage ?? null,
    toolCalls: {},
    current: null,
    isSpeaking: false,
    trouble: null,
  };
}

export function change(draft: HeadlessDraft, changes: Partial<HeadlessState>): void {
  draft.state = { ...draft.state, ...changes };
}

export function nameConversation(draft: HeadlessDraft, id: string | undefined): void {
  if (id === undefined) return;
  if (draft.state.conversationId === id && draft.state.phase !== "starting") return;
  const phase = draft.state.phase === "starting" ? "busy" : draft.state.phase;
  change(draft, { conversationId: id, phase });
}

/** An answer of the model, by its id where the agent tells one: several lines may belong to it. */
export function countTurn(draft: HeadlessDraft, id: string | null): void {
  if (id !== null && id === draft.state.current) return;
  change(draft, { current: id, turns: draft.state.turns + 1 });
}

export function say(draft: HeadlessDraft, text: string, goesOn = false): void {
  if (text === "") return;
  const before = goesOn && draft.state.isSpeaking ? draft.state.lastMessage : null;
  change(draft, { lastMessage: appendToMessage(before, text), isSpeaking: true });
  draft.events.push(message("AGENT", text));
}

export function think(draft: HeadlessDraft, text: string): void {
  change(draft, { isSpeaking: false });
  if (text !== "") draft.events.push(message("THOUGHT", text));
}

const mostCalls = 100;
const longestTitle = 2_000;

export interface ToolNews {
  readonly id: string;
  /** Left out where it is known from before. */
  readonly title?: string | undefined;
  readonly kind?: string | undefined;
  readonly status: "PENDING" | "RUNNING" | "COMPLETED" | "FAILED";
  readonly content?: string | undefined;
}

export function useTool(draft: HeadlessDraft, news: ToolNews): void {
  const { toolCalls } = draft.state;
  const known = Object.hasOwn(toolCalls, news.id) ? toolCalls[news.id] : undefined;
  const title = cut(news.title ?? known?.title ?? news.id, longestTitle);
  const kind = news.kind ?? known?.kind ?? "other";
  const { [news.id]: _, ...others } = toolCalls;
  const hasEnded = news.status === "COMPLETED" || news.status === "FAILED";
  const all = hasEnded ? others : { ...others, [news.id]: { title, kind } };
  const kept = Object.entries(all).slice(-mostCalls);
  change(draft, { toolCalls: Object.fromEntries(kept), isSpeaking: false });
  const content = news.content === undefined || news.content === "" ? null : cut(news.content);
  draft.events.push({
    type: "toolCall",
    payload: { toolCallId: news.id, title, kind, toolCallStatus: news.status, content },
  });
}

/** @param countsOn whether it is what the whole conversation used, earlier sessions included */
export function setUsage(draft: HeadlessDraft, told: AgentUsage, countsOn: boolean): void {
  const before = countsOn ? draft.state.usageBefore : null;
  const without = (now: number, then: number | undefined) => Math.max(0, now - (then ?? 0));
  const usage: AgentUsage = {
    inputTokens: without(told.inputTokens, before?.inputTokens),
    outputTokens: without(told.outputTokens, before?.outputTokens),
    costUsd: told.costUsd === null ? null : without(told.costUsd, before?.costUsd ?? undefined),
  };
  change(draft, { usage });
  draft.events.push(usageEvent(usage));
}

export function endTurn(draft: HeadlessDraft, verdict: AgentVerdict): void {
  change(draft, { phase: "ended", verdict, isSpeaking: false });
}

/** A title for a call of which the agent tells the tool's name and input alone. */
export function titleOf(tool: string, input: JsonObject): string {
  for (const name of ["command", "file_path", "path", "filePath", "pattern", "url", "query"]) {
    const value = input[name];
    if (typeof value === "string" && value !== "") {
      return name === "command" ? value : `${tool} ${value}`;
    }
  }
  return tool;
}

/** The protocol's own word for a kind of tool, by what the agent calls it. */
export function kindOf(tool: string): string {
  const known = kinds.find(([pattern]) => pattern.test(tool));
  return known?.[1] ?? "other";
}

const kinds: readonly (readonly [RegExp, string])[] = [
  [/^(bash|shell|exec|run_shell_command|command)/i, "execute"],
  [
    /^(edit|multiedit|write|notebookedit|replace|write_file|patch|apply_patch|file_change)/i,
    "edit",
  ],
  [/^(read|ls|list|read_file|read_many)/i, "read"],
  [/^(grep|glob|search|find)/i, "search"],
  [/^(web|fetch|google)/i, "fetch"],
  [/^(task|todo|think|plan)/i, "think"],
];
