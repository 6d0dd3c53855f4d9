import { FactoryError } from "../errors.ts";
import { capabilitiesOf } from "./capabilities.ts";
import { claude } from "./claude/agent.ts";
import { codex } from "./codex/agent.ts";
import type { AgentDefinition, AgentListing, AgentWay, ResolvedAgent } from "./definition.ts";
import { readAgentsFile } from "./file.ts";
import { gemini } from "./gemini/agent.ts";
import { opencode } from "./opencode/agent.ts";
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
  /** undefined: there is none of that name. */
  find(name: string): AgentDefinition | undefined;
  /** @throws FactoryError AGENT_UNKNOWN, which names the known agents. */
  get(name: string): AgentDefinition;
  /**
   * The agent with the first of its ways to be spoken to whose program is installed.
   * @throws FactoryError AGENT_UNKNOWN, or AGENT_UNAVAILABLE with what to do about it.
   */
  requireAvailable(name: string): ResolvedAgent;
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

  function findWay(agent: AgentDefinition): AgentWay | undefined {
    return agent.ways.find((way) => programs.find(way.program) !== undefined);
  }

  function unavailableReason(agent: AgentDefinition): string {
    const wanted = [...new Set(agent.ways.map((way) => way.program))];
    const files = wanted.filter((program) => program.startsWith("/"));
    const names = wanted.filter((program) => !program.startsWith("/"));
    const where = [
      ...files.map((file) => `${file} is not an executable file`),
      ...(names.length === 0 ? [] : [`no executable file ${quoteAll(names)} on the server's PATH`]),
    ].join(", ");
    const installs = [...new Set(agent.ways.flatMap(({ install }) => install ?? []))];
    const remedy =
      installs.length === 0
        ? "install it, or correct its command in the FACTORY_AGENTS file"
        : `install it (${installs.join(", or ")})`;
    return `${remedy}: ${where}.`;
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
    find: (name) => agents.get(name),
    get,
    list: () =>
      [...agents.values()].map((agent) => {
        const way = findWay(agent);
        // Where none of its programs is there, as it would be spoken to at best.
        const shown = way ?? agent.ways[0];
        return {
          name: agent.name,
          available: way !== undefined,
          unavailableReason: way === undefined ? unavailableReason(agent) : null,
          protocol: shown?.protocol ?? null,
          capabilities: shown === undefined ? null : capabilitiesOf(shown),
        };
      }),
    requireAvailable(name) {
      const definition = get(name);
      const way = findWay(definition);
      if (way !== undefined) return { definition, way };
      throw new FactoryError(
        "AGENT_UNAVAILABLE",
        `Agent "${name}" can't start: ${unavailableReason(definition)}`,
      );
    },
  };
}

function quoteAll(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(" or ");
}
