// How Factory and an agent speak with each other, whatever the protocol. A protocol is a set of functions
// without side effects: what they hold is stored beside the events that they make of the agent's words, so
// that a server that was killed anywhere goes on where the stored state stands.
import type { FailureCode } from "../errors.ts";

/** What a permission request of the agent meets. */
export type PermissionPolicy = "ASK" | "ALLOW" | "DENY";

export interface AgentUsage {
  /** Tokens and US dollars since the session's start, cached tokens included. */
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** null where the agent doesn't tell. */
  readonly costUsd: number | null;
}

/** What a tool call will do, by its own arguments; each null, or empty, where they don't say. */
export interface AgentAction {
  /** A command line. */
  readonly command: string | null;
  /** The agent's word for the kind of tool; in the Agent Client Protocol read, edit, delete, execute and others. */
  readonly kind: string | null;
  /** Paths that it touches, with `:LINE` behind them where that is known. */
  readonly locations: readonly string[];
  /** Unified. */
  readonly diff: string | null;
}

export interface AgentPermission extends AgentAction {
  /** Unique within the session. */
  readonly id: string;
  /** What it wants to do in the model's words, fit to show to a person. */
  readonly title: string;
  /** `kind` is the agent's word; in the Agent Client Protocol allow_once, allow_always, reject_once, reject_always. */
  readonly options: readonly {
    readonly id: string;
    readonly name: string;
    readonly kind: string;
  }[];
  /** The option that the session's policy chose at once; null: somebody must choose. */
  readonly answer: string | null;
}

/**
 * What the agent said or did, in the shapes in which it is stored; see workers/events.ts. What it was told
 * is none of a protocol's events: who says it tells of that.
 */
export type AgentEvent =
  | {
      readonly type: "message";
      readonly payload: { readonly role: "USER" | "AGENT" | "THOUGHT"; readonly text: string };
    }
  | {
      readonly type: "toolCall";
      /** Whether its content comes behind that of the same call's event before; not stored. */
      readonly goesOn?: boolean;
      readonly payload: {
        readonly toolCallId: string;
        readonly title: string;
        readonly kind: string | null;
        readonly toolCallStatus: "PENDING" | "RUNNING" | "COMPLETED" | "FAILED";
        readonly content: string | null;
      };
    }
  | { readonly type: "usage"; readonly payload: AgentUsage }
  | { readonly type: "permission"; readonly payload: { readonly request: AgentPermission } }
  /** What belongs to no other: unknown events of the protocol, and lines that are none of it. */
  | {
      readonly type: "output";
      readonly payload: { readonly channel: "STDOUT" | "STDERR"; readonly text: string };
    };

/** What became of the agent's work, as its own last word says. */
export interface AgentVerdict {
  readonly succeeded: boolean;
  /** Why it failed, fit to show to a person; null where it succeeded. */
  readonly reason: string | null;
  /** What programs go by, where one fits; else null. */
  readonly failureCode: FailureCode | null;
}

/**
 * starting: no turn has begun yet. busy: a turn goes on. idle: the turn has ended, and the agent waits for
 * the next one or for the end of its input. ended: the agent can't go on.
 */
export type TalkPhase = "starting" | "busy" | "idle" | "ended";

/** What every protocol's state tells; each adds what it needs itself. All of it is JSON. */
export interface TalkState {
  readonly phase: TalkPhase;
  /** The agent's own id of the conversation, by which it can be resumed; null: none yet, or it can't. */
  readonly conversationId: string | null;
  readonly usage: AgentUsage | null;
  /** How often the model was asked, as far as the agent shows it. */
  readonly turns: number;
  /** The agent's last message, whole, but at most `longestSummary` characters. */
  readonly lastMessage: string | null;
  /** Of the last turn; null until it has ended. */
  readonly verdict: AgentVerdict | null;
  /**
   * What it waits for while it asks the model again, fit to show to a person. null, or left out by an earlier
   * version: it isn't known to wait.
   */
  readonly retrying?: string | null;
}

export const longestSummary = 16_384;

export interface TalkStart {
  /** The first turn's text. */
  readonly prompt: string;
  /** Absolute path; the agent's working directory. */
  readonly worktree: string;
  readonly permissions: PermissionPolicy;
  /** The conversation to go on with, and what to say instead where the agent can't. */
  readonly resume?: TalkResume | undefined;
  /** Offered to the agent where its protocol has a place for them. */
  readonly mcpServers: readonly McpServer[];
}

export interface TalkResume {
  readonly conversationId: string;
  readonly promptIfNew: string;
  /**
   * The sum of the sessions that led this conversation before. Some agents count the whole conversation,
   * and this is taken off what they tell.
   */
  readonly usage?: AgentUsage | null | undefined;
}

/** Over streamable HTTP. */
export interface McpServer {
  readonly name: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export type TalkRequest =
  /** The next turn. Only while the phase is idle. */
  | { readonly kind: "message"; readonly text: string }
  /** Only ids of this talk that were not answered yet; null: nobody will answer, the turn is to end. */
  | { readonly kind: "answer"; readonly requestId: string; readonly optionId: string | null }
  /** The turn is to end soon. Harmless where none goes on. */
  | { readonly kind: "interrupt" };

export interface Step<State extends TalkState> {
  readonly state: State;
  readonly events: readonly AgentEvent[];
  /** Lines for the agent's standard input, each without its newline, in this order. */
  readonly lines: readonly string[];
}

export interface AgentExit {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** The end of what it printed on standard error; left out where that isn't known. */
  readonly errors?: string | undefined;
}

/** `State` is a plain object that survives JSON.stringify and JSON.parse unchanged. */
export interface Protocol<State extends TalkState = TalkState> {
  /**
   * Whether the agent is spoken to over its standard input for as long as it runs. Without, it gets its
   * prompt by its command line or by a file, runs one turn, and ends by itself.
   */
  readonly isSpokenTo: boolean;
  /** Whether it must leave the phase starting within the limit that is set for starts. */
  readonly hasStartLimit?: boolean;
  begin(start: TalkStart): Step<State>;
  /** One line of the agent's standard output, without its newline. Never throws, whatever the line. */
  read(state: State, line: string): Step<State>;
  /** For agents that are spoken to. */
  ask(state: State, request: TalkRequest): Step<State>;
  /** What it printed on standard error: some tell there that they ask the model again. Never throws. */
  readError?(state: State, text: string): State;
  /** What it was asked and hasn't answered, by name, while its phase is starting; undefined: nothing. */
  waitsFor?(state: State): string | undefined;
  /** When its standard output has come to its end. @param exit undefined: it could not be told */
  conclude(state: State, exit: AgentExit | undefined): AgentVerdict;
}
