import type { PROTOCOL_VERSION } from "@agentclientprotocol/sdk";
import type {
  AgentAction,
  AgentEvent,
  AgentPermission,
  AgentVerdict,
  McpServer,
  PermissionPolicy,
  TalkStart,
  TalkState,
} from "../talk.ts";
import type { Calls } from "../calls.ts";
import type { FailureFacts } from "../failure-code.ts";
import { requestLine, type CalledMethod, type RpcId } from "./messages.ts";

/** All that a server must know to go on with a talk that another one began. */
export interface AcpState extends TalkState {
  readonly worktree: string;
  readonly permissions: PermissionPolicy;
  /** The id of the next request to the agent. */
  readonly nextId: number;
  /** What was asked of the agent and not answered yet, by the request's id. */
  readonly sent: Readonly<Record<string, CalledMethod>>;
  /** What the first turn needs; null once it has begun. */
  readonly opening: Opening | null;
  readonly offers: AgentOffers;
  /** Whether what the agent tells is the history of the conversation that it loads. */
  readonly isLoading: boolean;
  /** Requests for leave that nobody has answered, by the ids that clients see. */
  readonly asked: Readonly<Record<string, Asked>>;
  readonly askedCount: number;
  /** Updates of a tool call tell only what has changed. */
  readonly toolCalls: Calls<KnownCall>;
  /** Whether the next chunk goes on with lastMessage, and the agent's id of that. */
  readonly isSpeaking: boolean;
  readonly messageId: string | null;
  /** A tool has come to its end, so what comes next is the answer to a further question to the model. */
  readonly toolEnded: boolean;
  /** What the conversation had cost before this session, of an agent that counts on. */
  readonly costBefore: number;
  /** What codex says in passing: its turn's own result claims success after an error. */
  readonly systemError: boolean;
  readonly trouble: string | null;
  /** What it said of that in fields. null or left out: nothing. */
  readonly troubleFacts?: FailureFacts | null;
  /** What it has done in this turn. Left out by an earlier version: it isn't known. */
  readonly did?: "nothing" | "spoke" | "worked";
  /** Whether it was noted that a cost of its can't be. */
  readonly costDoubted?: boolean;
  /** What was refused in this turn: some agents give up then. */
  readonly refused: string | null;
}

export interface Opening {
  readonly prompt: string;
  readonly resume: TalkStart["resume"] | null;
  /** With the session's own token, so they are forgotten as soon as the agent has them. */
  readonly mcpServers: readonly McpServer[];
}

export interface AgentOffers {
  /** agentInfo.name; empty where the agent doesn't say. */
  readonly agent: string;
  readonly loadSession: boolean;
  readonly mcpHttp: boolean;
  /** The way to log in that takes a key from the environment, and so nobody's attention. */
  readonly keyMethod: string | null;
}

export interface Asked {
  readonly rpcId: RpcId;
  readonly request: AgentPermission;
  /** What waits for the answer. Left out by versions that didn't keep it. */
  readonly toolCallId?: string | null;
}

export interface KnownCall {
  readonly title: string;
  readonly kind: string | null;
  readonly status: "PENDING" | "RUNNING" | "COMPLETED" | "FAILED";
  /** Whether it touches a place outside of the worktree, as far as the agent told. */
  readonly isOutside: boolean;
  /** Until its end, for a request for permission that doesn't repeat it. */
  readonly action?: AgentAction | undefined;
}

/** One step in the making. */
export interface Draft {
  state: AcpState;
  readonly events: AgentEvent[];
  readonly lines: string[];
}

export function draftOf(state: AcpState): Draft {
  return { state, events: [], lines: [] };
}

export function change(draft: Draft, changes: Partial<AcpState>): void {
  draft.state = { ...draft.state, ...changes };
}

export function call(draft: Draft, method: CalledMethod, params: unknown): void {
  const { nextId, sent } = draft.state;
  draft.lines.push(requestLine(nextId, method, params));
  change(draft, { nextId: nextId + 1, sent: { ...sent, [String(nextId)]: method } });
}

/** It says or does something: whatever it waited for is over. */
export function goOn(draft: Draft, did: "spoke" | "worked"): void {
  const { state } = draft;
  const before = state.did;
  const next = did === "worked" || before === "worked" ? "worked" : "spoke";
  if (before === next && state.retrying == null) return;
  change(draft, { did: next, retrying: null });
}

/** The agent can't go on. */
export function end(draft: Draft, verdict: AgentVerdict): void {
  change(draft, { phase: "ended", opening: null, isLoading: false, verdict, retrying: null });
}

export function initialState(start: TalkStart): AcpState {
  return {
    phase: "starting",
    conversationId: null,
    usage: null,
    turns: 0,
    lastMessage: null,
    verdict: null,
    retrying: null,
    worktree: start.worktree,
    permissions: start.permissions,
    nextId: 0,
    sent: {},
    opening: {
      prompt: start.prompt,
      resume: start.resume ?? null,
      mcpServers: start.mcpServers,
    },
    offers: { agent: "", loadSession: false, mcpHttp: false, keyMethod: null },
    isLoading: false,
    asked: {},
    askedCount: 0,
    toolCalls: [],
    isSpeaking: false,
    messageId: null,
    toolEnded: false,
    costBefore: start.resume?.usage?.costUsd ?? 0,
    systemError: false,
    trouble: null,
    troubleFacts: null,
    refused: null,
    did: "nothing",
    costDoubted: false,
  };
}

export const protocolVersion: typeof PROTOCOL_VERSION = 1;
