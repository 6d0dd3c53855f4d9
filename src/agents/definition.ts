import type { McpServer, PermissionPolicy, TalkResume } from "./talk.ts";

/** How Factory and an agent's program talk; see "Agents" in the README. */
export const protocolNames = [
  "plain",
  "acp",
  "claude-stream-json",
  "codex-stream-json",
  "gemini-stream-json",
  "opencode-stream-json",
] as const;

export type ProtocolName = (typeof protocolNames)[number];

export function isProtocolName(name: string): name is ProtocolName {
  return protocolNames.some((known) => known === name);
}

/** What can be done with an agent, in the order in which it is listed; see capabilities.ts and the schema. */
export const agentCapabilities = [
  "MESSAGES",
  "FOLLOW_UP",
  "RESUME",
  "PERMISSIONS_ASK",
  "PERMISSIONS_DENY",
  "MAX_COST_USD",
  "MAX_TURNS",
  "COMMAND_TASK",
  "TERMINAL_OUTPUT",
] as const;

export type AgentCapability = (typeof agentCapabilities)[number];

/** What a start may depend on. All paths are absolute. */
export interface StartContext {
  /** As it was dispatched. */
  readonly task: string;
  /** What an agent is told first: the task, and where and how to work on it. */
  readonly prompt: string;
  readonly permissions: PermissionPolicy;
  /** The conversation to go on with; undefined: a new one. */
  readonly resume?: TalkResume | undefined;
  readonly mcpServers: readonly McpServer[];
  /** The worktree's git folder, which lies outside of it. */
  readonly gitDir: string;
  /** The working directory. */
  readonly worktree: string;
  /** The session's own folder for temporary files, readable by this user alone. */
  readonly temporary: string;
  /** The server's environment, of which the worker gets what its definition names. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** What to start. The command is seen by every user of the machine; `env` and `files` hold the secrets. */
export interface AgentStart {
  /** Program and arguments, to be started as they are, through no shell of the caller's. */
  readonly command: readonly string[];
  /** Variables beside those that the definition names; these win. */
  readonly env?: Readonly<Record<string, string>>;
  /** To be written before the start, with mode 0600: contents by absolute path, below `temporary`. */
  readonly files?: Readonly<Record<string, string>>;
}

/** One way to start an agent and to speak with it. */
export interface AgentWay {
  readonly protocol: ProtocolName;
  /** The program that must be there: a name to look up in PATH, or an absolute path. */
  readonly program: string;
  readonly start: (context: StartContext) => AgentStart;
  /** Whether the context's MCP servers reach the agent neither by its start nor by its protocol. */
  readonly ignoresServers?: boolean;
  /** Whether its start can't go on with an earlier conversation, although its protocol could. */
  readonly ignoresConversation?: boolean;
  /** Whether the task is a command line, which is run. */
  readonly takesCommand?: boolean;
  /** Absolute paths that the start's arguments name, whatever the task is: what the agent needs beside its program. */
  readonly reads?: readonly string[];
  /** What a person types to get the program; undefined where nobody can know. */
  readonly install: string | undefined;
}

/** A file that an agent looks for in HOME. */
export interface HomeFile {
  /** Below HOME. */
  readonly file: string;
  /** A variable that names another folder for it, and which part of `file` that stands for. */
  readonly movedBy?: { readonly variable: string; readonly folder: string };
}

/** A program that can work on a task, and how to start it. */
export interface AgentDefinition {
  readonly name: string;
  /** The first one whose program is there is taken. */
  readonly ways: readonly AgentWay[];
  /** Variables of the server's environment that the worker gets beside the common ones. */
  readonly environmentNames: readonly string[];
  /** Variables that the worker gets whatever the server's environment says. */
  readonly fixedEnvironment: Readonly<Record<string, string>>;
  /** Of the server's HOME, what a worker in a sandbox gets a copy of: what logs the agent in, and that it may renew. */
  readonly logins?: readonly HomeFile[];
  /** What says which provider and model it asks, as far as variables can't; changes of it are thrown away. */
  readonly settings?: readonly HomeFile[];
}

/** An agent as it can be started on this machine. */
export interface ResolvedAgent {
  readonly definition: AgentDefinition;
  readonly way: AgentWay;
}

/** An agent as clients see it. */
export interface AgentListing {
  readonly name: string;
  readonly available: boolean;
  /** What to install, and where it was looked for; null where the agent is available. */
  readonly unavailableReason: string | null;
  /** null: a runner of an older version doesn't tell. */
  readonly protocol: ProtocolName | null;
  /** Where it isn't available, those that it would have at best; null: a runner of an older version doesn't tell. */
  readonly capabilities: readonly AgentCapability[] | null;
}
