import { FactoryError } from "../errors.ts";
import { claude } from "./claude.ts";
import { codex } from "./codex.ts";
import type { AgentDefinition, AgentListing } from "./definition.ts";
import { readAgentsFile } from "./file.ts";
import { gemini } from "./gemini.ts";
import { opencode } from "./opencode.ts";
import { createProgramFinder } from "./programs.ts";
import { shell } from "./shell.ts";

export interface AgentRegistryOptions {
  /** The JSON file of FACTORY_AGENTS; undefined: the built-in agents alone. */
  readonly file: string | undefined;
  /** The PATH that workers get, where programs are looked up. */
  readonly path: string;
  readonly isRoot: boolean;
}

export interface AgentRegistry {
  /** Built-in agents first, then the file's, in its order. */
  list(): AgentListing[];
  /** @throws FactoryError AGENT_UNKNOWN, which names the known agents. */
  get(name: string): AgentDefinition;
  /** @throws FactoryError AGENT_UNKNOWN, or AGENT_UNAVAILABLE with what to do about it. */
  requireAvailable(name: string): AgentDefinition;
}

/** @throws ConfigError that lists every mistake of the file. */
export function createAgentRegistry(options: AgentRegistryOptions): AgentRegistry {
  const agents = new Map<string, AgentDefinition>();
  for (const agent of [claude(options.isRoot), codex(), gemini(), opencode(), shell()]) {
    agents.set(agent.name, agent);
  }
  if (options.file !== undefined) {
    for (const agent of readAgentsFile(options.file, agents)) agents.set(agent.name, agent);
  }

  const programs = createProgramFinder(options.path);

  function unavailableReason(agent: AgentDefinition): string | null {
    if (agent.protocol === "acp") {
      return `${agent.name} speaks the Agent Client Protocol, which this version of Factory doesn't: give it a protocol of another kind in the FACTORY_AGENTS file.`;
    }
    if (programs.find(agent.program) !== undefined) return null;
    const where = agent.program.startsWith("/")
      ? `${agent.program} is not an executable file`
      : `no executable file "${agent.program}" in PATH (${options.path})`;
    const remedy =
      agent.install === undefined
        ? "install it, or correct its command in the FACTORY_AGENTS file"
        : `install it (${agent.install})`;
    return `${where}: ${remedy}.`;
  }

  function get(name: string): AgentDefinition {
    const agent = agents.get(name);
    if (agent !== undefined) return agent;
    throw new FactoryError(
      "AGENT_UNKNOWN",
      `There is no agent "${name}". Known are ${[...agents.keys()].join(", ")}; the file of FACTORY_AGENTS adds more.`,
    );
  }

  return {
    get,
    list: () =>
      [...agents.values()].map((agent) => {
        const reason = unavailableReason(agent);
        const { name, protocol } = agent;
        return { name, available: reason === null, unavailableReason: reason, protocol };
      }),
    requireAvailable(name) {
      const agent = get(name);
      const reason = unavailableReason(agent);
      if (reason === null) return agent;
      throw new FactoryError("AGENT_UNAVAILABLE", `Agent "${name}" can't start: ${reason}`);
    },
  };
}
