import path from "node:path";
import type { AgentDefinition } from "./definition.ts";
import { networkVariables } from "../network-variables.ts";
import { pickVariables } from "../pick-variables.ts";
import { absoluteFolders, withoutNpmFolders } from "./programs.ts";

const commonNames = ["HOME", "USER", "SHELL", "LANG", "TERM", "TZ", ...networkVariables];

export interface WorkerEnvironmentOptions {
  /** The server's environment, from which alone the named variables are taken. */
  readonly source: Readonly<Record<string, string | undefined>>;
  readonly agent: Pick<AgentDefinition, "environmentNames" | "fixedEnvironment">;
  /** What the agent's start adds; see AgentStart. */
  readonly start?: Readonly<Record<string, string>> | undefined;
  /** What the session itself gives: FACTORY_URL, FACTORY_TOKEN and so on. */
  readonly factory: Readonly<Record<string, string>>;
  /** Absolute path of the folder that holds the `factory` command; first in the worker's PATH. */
  readonly binFolder: string;
  /** Absolute path of the session's own temporary folder. */
  readonly tmpFolder: string;
}

/**
 * The whole environment of a worker. Nothing of the server's gets in but what is named: an agent
 * runs what a model or a repository says, and prints what it sees.
 */
export function buildWorkerEnvironment(options: WorkerEnvironmentOptions): Record<string, string> {
  const { source, agent, start, factory, binFolder, tmpFolder } = options;
  const localeNames = Object.keys(source).filter((name) => name.startsWith("LC_"));
  return {
    ...pickVariables(source, [...commonNames, ...localeNames, ...agent.environmentNames]),
    ...agent.fixedEnvironment,
    ...start,
    ...factory,
    // A relative folder would look for programs in the worktree.
    PATH: [binFolder, ...absoluteFolders(withoutNpmFolders(source))].join(path.delimiter),
    TMPDIR: tmpFolder,
  };
}
