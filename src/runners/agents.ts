// The agents of all runners that are alive: what can be dispatched, whichever server is asked.
import { readCapabilities } from "../agents/capabilities.ts";
import type { AgentListing } from "../agents/definition.ts";
import type { AgentRegistry } from "../agents/registry.ts";
import type { PrismaClient } from "../database/client.ts";
import { FactoryError } from "../errors.ts";
import type { Sight } from "./sight.ts";

export interface AgentDirectory {
  /** This server's own first; each is available where it can start on any runner that is alive. */
  list(): Promise<AgentListing[]>;
  /** @throws FactoryError AGENT_UNKNOWN, AGENT_UNAVAILABLE */
  requireAvailable(name: string): Promise<AgentListing>;
  /** undefined: no server that is there knows it any more. */
  find(name: string): Promise<AgentListing | undefined>;
}

export interface AgentDirectoryDependencies {
  readonly prisma: PrismaClient;
  /** This server's own. */
  readonly registry: AgentRegistry;
  /** undefined: this server runs none itself. */
  readonly runnerId: string | undefined;
  readonly sight: Pick<Sight, "graceMs">;
}

export function createAgentDirectory(deps: AgentDirectoryDependencies): AgentDirectory {
  const { prisma, registry, runnerId, sight } = deps;

  async function listElsewhere(): Promise<AgentListing[]> {
    const rows = await prisma.$queryRaw<
      (Omit<AgentListing, "available" | "capabilities"> & { readonly capabilities: unknown })[]
    >`
      SELECT agent->>'name' AS name, agent->>'unavailableReason' AS "unavailableReason",
        agent->>'protocol' AS protocol, agent->'capabilities' AS capabilities
      FROM "Runner" AS runner, jsonb_array_elements(runner.agents) AS agent
      WHERE runner."leaseEndsAt" > now() - ${sight.graceMs()} * interval '1 ms'
        AND runner.id IS DISTINCT FROM ${runnerId ?? null}::uuid
      ORDER BY runner.name`;
    return rows.map((row) => ({
      ...row,
      available: row.unavailableReason === null,
      capabilities: readCapabilities(row.capabilities, row.protocol),
    }));
  }

  async function list(): Promise<AgentListing[]> {
    const listed = new Map<string, AgentListing>();
    const elsewhere = await listElsewhere();
    // A server that runs none itself knows of agents by its runners, and by its own where none is there.
    const own = runnerId === undefined && elsewhere.length > 0 ? [] : registry.list();
    for (const agent of [...own, ...elsewhere]) {
      const known = listed.get(agent.name);
      if (known === undefined || (!known.available && agent.available)) {
        listed.set(agent.name, agent);
      }
    }
    return [...listed.values()];
  }

  function findHere(name: string): AgentListing | undefined {
    if (runnerId === undefined) return undefined;
    return registry.list().find((agent) => agent.name === name && agent.available);
  }

  return {
    list,
    async find(name) {
      return findHere(name) ?? (await list()).find((listed) => listed.name === name);
    },
    async requireAvailable(name) {
      const here = findHere(name);
      if (here !== undefined) return here;
      const all = await list();
      const agent = all.find((listed) => listed.name === name);
      if (agent?.available === true) return agent;
      throw agent === undefined
        ? unknown(name, all)
        : new FactoryError(
            "AGENT_UNAVAILABLE",
            `Agent "${name}" can't start: ${agent.unavailableReason ?? "no runner has it"}`,
          );
    },
  };
}

function unknown(name: string, all: readonly AgentListing[]): FactoryError {
  const known = all.map((agent) => agent.name).join(", ");
  return new FactoryError(
    "AGENT_UNKNOWN",
    `There is no agent "${name}". Known are ${known}; the file of FACTORY_AGENTS adds more.`,
  );
}
