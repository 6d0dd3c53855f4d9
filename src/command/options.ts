// What the flags of the commands come as, between those who define them and those who do what they say.
import type { RepositoryName } from "./parse.ts";

/** For commander. */
export const jsonFlag = ["--json", "print JSON, with the API's field names"] as const;

export interface JsonOption {
  readonly json?: boolean;
}

export interface CloneOptions extends JsonOption {
  readonly url?: string;
}

export interface CreateWorktreeOptions extends JsonOption {
  readonly base?: string;
}

export interface ListWorktreesOptions extends JsonOption {
  readonly changes?: boolean;
}

export interface DeleteWorktreeOptions extends JsonOption {
  readonly force?: boolean;
  readonly deleteBranch?: boolean;
  readonly runner?: string;
}

export interface DispatchOptions extends JsonOption {
  readonly parent?: string;
  readonly repo?: RepositoryName;
  readonly issue?: string;
  readonly branch?: string;
  readonly base?: string;
  readonly agent?: string;
  readonly priority?: number;
  readonly timeout?: number;
  readonly cleanup?: string;
  readonly key?: string;
  readonly push?: boolean;
  readonly allowPush?: boolean;
  readonly permissions?: string;
  readonly maxCost?: number;
  readonly maxTurns?: number;
  readonly retries?: number;
  readonly sandbox?: string;
  readonly network?: string;
  readonly allowHost?: readonly string[];
  readonly maxMemory?: number;
  readonly maxCpus?: number;
  readonly maxProcesses?: number;
  readonly wait?: boolean;
  readonly follow?: boolean;
}

export interface ListWorkersOptions extends JsonOption {
  readonly parent?: string;
  readonly status?: readonly string[];
  readonly all?: boolean;
}

export interface WatchOptions extends JsonOption {
  readonly after?: string;
}

export interface LogsOptions extends JsonOption {
  readonly follow?: boolean;
  readonly raw?: boolean;
}

export interface CancelOptions extends JsonOption {
  readonly reason?: string;
  readonly children?: boolean;
}

export interface AllowOptions extends JsonOption {
  readonly repository?: boolean;
}

export interface KeyOption extends JsonOption {
  readonly key?: string;
}

export interface AnswerOptions extends JsonOption {
  readonly request?: string;
}

export interface ReportOptions extends JsonOption {
  readonly outcome?: string;
}

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];
