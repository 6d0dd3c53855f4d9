// What the readers of headless agents share: each reads lines of JSON that its program prints in one turn.
import { parseObject, type JsonObject } from "./json.ts";
import { callsIn, findCall, withCall, type Calls } from "./calls.ts";
import type { FailureFacts } from "./failure-code.ts";
import { noticeIn } from "./notice.ts";
import { endedEarly, failure, plain } from "./reason.ts";
import { retryInErrors } from "./retry.ts";
import { appendToMessage, countCost, cut, message, output, unread, usageEvent } from "./said.ts";
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
  readonly toolCalls: Calls<{ readonly title: string; readonly kind: string }>;
  /** What the agent calls the message or the answer that it is at. */
  readonly current: string | null;
  /** Whether the next part goes on with lastMessage. */
  readonly isSpeaking: boolean;
  /** The last trouble that it told of, which it may have overcome. */
  readonly trouble: string | null;
  /** What it said of that in fields. null or left out: nothing. */
  readonly troubleFacts?: FailureFacts | null;
  /** Whether it was noted that a cost of its can't be. */
  readonly costDoubted?: boolean;
}

/** One step in the making. */
export interface HeadlessDraft {
  state: HeadlessState;
  readonly events: AgentEvent[];
  readonly lines: string[];
}

/** @returns false where it doesn't know the line, which is kept as output then */
export type LineReader = (draft: HeadlessDraft, line: JsonObject) => boolean;

/**
 * @param readLine for each line that is a JSON object
 * @param factsOfExit what an exit code says of an agent that ended without a last word
 */
export function headless(
  readLine: LineReader,
  factsOfExit: (exitCode: number) => FailureFacts = () => ({}),
): Protocol<HeadlessState> {
  return {
    isSpokenTo: false,
    begin: (start) => ({ state: initialState(start), events: [], lines: [] }),
    read(state, line): Step<HeadlessState> {
      const draft: HeadlessDraft = { state, events: [], lines: [] };
      const object = parseObject(line);
      if (object === undefined) draft.events.push(...unread(line));
      else if (!readLine(draft, object)) draft.events.push(output(line));
      return draft;
    },
    ask: (state) => ({ state, events: [], lines: [] }),
    readError: (state, text) => {
      const retrying = retryInErrors(text);
      return retrying === undefined || state.phase === "ended" ? state : { ...state, retrying };
    },
    conclude({ verdict, trouble, troubleFacts }, exit) {
      const facts = exit?.exitCode == null ? {} : factsOfExit(exit.exitCode);
      return verdict ?? endedEarly(exit, trouble, { ...facts, ...troubleFacts });
    },
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
    retrying: null,
    permissions,
    usageBefore: resume?.usage ?? null,
    toolCalls: [],
    current: null,
    isSpeaking: false,
    trouble: null,
    troubleFacts: null,
    costDoubted: false,
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

/** It says or does something: what it told of before is overcome. */
function goOn(draft: HeadlessDraft): void {
  const { retrying, troubleFacts } = draft.state;
  if (retrying != null || troubleFacts != null)
    change(draft, { retrying: null, troubleFacts: null });
}

/** An answer of the model, by its id where the agent tells one: several lines may belong to it. */
export function countTurn(draft: HeadlessDraft, id: string | null): void {
  goOn(draft);
  if (id !== null && id === draft.state.current) return;
  change(draft, { current: id, turns: draft.state.turns + 1 });
}

export function say(draft: HeadlessDraft, text: string, goesOn = false): void {
  if (text === "") return;
  goOn(draft);
  const before = goesOn && draft.state.isSpeaking ? draft.state.lastMessage : null;
  change(draft, { lastMessage: appendToMessage(before, text), isSpeaking: true });
  draft.events.push(message("AGENT", text));
}

export function think(draft: HeadlessDraft, text: string): void {
  goOn(draft);
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
  goOn(draft);
  const toolCalls = callsIn(draft.state.toolCalls);
  const known = findCall(toolCalls, news.id);
  const title = cut(news.title ?? known?.title ?? news.id, longestTitle);
  const kind = news.kind ?? known?.kind ?? "other";
  const hasEnded = news.status === "COMPLETED" || news.status === "FAILED";
  const all = hasEnded
    ? toolCalls.filter(([id]) => id !== news.id)
    : withCall(toolCalls, news.id, { title, kind });
  change(draft, { toolCalls: all.slice(-mostCalls), isSpeaking: false });
  const content = news.content === undefined || news.content === "" ? null : cut(news.content);
  draft.events.push({
    type: "toolCall",
    payload: { toolCallId: news.id, title, kind, toolCallStatus: news.status, content },
  });
}

/** @param countsOn whether the tokens are what the whole conversation used, earlier sessions included */
export function setUsage(draft: HeadlessDraft, told: AgentUsage, countsOn: boolean): void {
  const before = countsOn ? draft.state.usageBefore : null;
  const without = (now: number, then: number | undefined) => Math.max(0, now - (then ?? 0));
  const { state } = draft;
  const { costUsd, doubt } = countCost(told.costUsd, state.usage?.costUsd ?? null);
  if (doubt !== undefined && state.costDoubted !== true) {
    draft.events.push(doubt);
    change(draft, { costDoubted: true });
  }
  const usage: AgentUsage = {
    inputTokens: without(told.inputTokens, before?.inputTokens),
    outputTokens: without(told.outputTokens, before?.outputTokens),
    costUsd,
  };
  change(draft, { usage });
  draft.events.push(usageEvent(usage));
}

export function endTurn(draft: HeadlessDraft, verdict: AgentVerdict): void {
  const { state } = draft;
  const judged = verdict.succeeded ? (hiddenFailure(state) ?? verdict) : verdict;
  change(draft, { phase: "ended", verdict: judged, isSpeaking: false, retrying: null });
}

/** It ended as if all were well, and plainly nothing was done. */
function hiddenFailure({ lastMessage, turns, usage }: HeadlessState): AgentVerdict | undefined {
  const hasTokens = usage !== null && usage.inputTokens + usage.outputTokens > 0;
  if (lastMessage === null) {
    return turns > 0 || hasTokens
      ? undefined
      : failure("the agent ended its turn without a word, a tool call or any use of the model");
  }
  const notice = noticeIn(lastMessage, turns <= 1 && !hasTokens);
  return notice === null ? undefined : failure(`the agent failed: ${plain(lastMessage)}`, notice);
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
