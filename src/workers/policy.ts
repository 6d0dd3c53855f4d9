// Under which policy a worker is to act, where its dispatch doesn't say, and that no worker frees its children
// from the one that it is held to itself.
import { forbidden, type Viewer } from "../access/viewer.ts";
import { canBeHeldTo } from "../agents/capabilities.ts";
import type { AgentListing } from "../agents/definition.ts";
import type { PermissionPolicy } from "../agents/talk.ts";
import type { PrismaClient } from "../database/client.ts";
import type { AgentDirectory } from "../runners/agents.ts";
import { workerNumber } from "./find.ts";
import type { DispatchInput } from "./input.ts";

export interface PolicyDependencies {
  readonly prisma: PrismaClient;
  readonly agents: AgentDirectory;
  /** FACTORY_PERMISSIONS. */
  readonly permissions: PermissionPolicy;
}

const freedom: Readonly<Record<PermissionPolicy, number>> = { DENY: 0, ASK: 1, ALLOW: 2 };

/**
 * What was asked for, else what the parent worker was dispatched with; null: as FACTORY_PERMISSIONS says.
 * @throws FactoryError FORBIDDEN where a worker's token asks for more freedom than the worker's own
 */
export async function choosePolicy(
  deps: PolicyDependencies,
  { parentSession, permissions }: DispatchInput,
  agent: AgentListing,
  viewer: Viewer,
): Promise<PermissionPolicy | null> {
  const number = workerNumber(parentSession);
  if (number === undefined) return permissions ?? null;
  const parent = await deps.prisma.workerSession.findUnique({
    where: { number },
    select: { permissions: true, agent: true },
  });
  const wanted = permissions ?? parent?.permissions ?? null;
  if (parent !== null && viewer.kind === "worker") {
    const holder = await deps.agents.find(parent.agent);
    const own = heldTo(deps, holder, parent.permissions);
    const childs = heldTo(deps, agent, wanted);
    if (freedom[childs] > freedom[own]) {
      throw forbidden(
        `${parentSession} is held to the permissions ${own}, so it can't dispatch ${agent.name} with ${childs}: choose an agent that can be held to ${own}, and leave permissions out`,
      );
    }
  }
  return wanted !== null && canBeHeldTo(agent, wanted) ? wanted : null;
}

/** An agent that never asks does as it likes, whatever its policy says. */
function heldTo(
  deps: PolicyDependencies,
  agent: AgentListing | undefined,
  permissions: PermissionPolicy | null,
): PermissionPolicy {
  const policy = permissions ?? deps.permissions;
  return agent === undefined || canBeHeldTo(agent, policy) ? policy : "ALLOW";
}
