/** How Factory and an agent's program talk; see "Agents" in the README. */
export const protocols = [
  "plain",
  "acp",
  "claude-stream-json",
  "codex-stream-json",
  "gemini-stream-json",
  "opencode-stream-json",
] as const;

export type Protocol = (typeof protocols)[number];

/** What a start line may depend on. All paths are absolute. */
export interface StartContext {
  readonly task: string;
  /** The repository's git folder, which all of its worktrees share. */
  readonly gitDir: string;
  /** The worktree's own folder inside the repository's git folder. */
  readonly worktreeGitDir: string;
  /** The working directory. */
  readonly worktree: string;
}

/** A program that can work on a task, and how to start it. */
export interface AgentDefinition {
  readonly name: string;
  /** The program that must be there: a name to look up in PATH, or an absolute path. */
  readonly program: string;
  /** Program and arguments, to be started as they are, through no shell of the caller's. */
  readonly command: (context: StartContext) => string[];
  readonly protocol: Protocol;
  /** Variables of the server's environment that the worker gets beside the common ones. */
  readonly environmentNames: readonly string[];
  /** Variables that the worker gets whatever the server's environment says. */
  readonly fixedEnvironment: Readonly<Record<string, string>>;
  /** What a person types to get the program; undefined where nobody can know. */
  readonly install: string | undefined;
}

/** An agent as clients see it. */
export interface AgentListing {
  readonly name: string;
  readonly available: boolean;
  /** What to install, and where it was looked for; null where the agent is available. */
  readonly unavailableReason: string | null;
  /** null: a runner of an older version doesn't tell. */
  readonly protocol: Protocol | null;
}
