// What a dispatch may ask of an agent depends on how the agent is spoken to.
import { FactoryError } from "../errors.ts";
import type { AgentListing, ProtocolName } from "./definition.ts";
import type { PermissionPolicy } from "./talk.ts";

export interface Wishes {
  readonly permissions?: PermissionPolicy | undefined;
  readonly maxCostUsd?: number | undefined;
  readonly maxTurns?: number | undefined;
}

/** Whose output never says what was spent, so that a limit would never be reached. */
const costless: readonly (ProtocolName | null)[] = [
  "plain",
  "codex-stream-json",
  "gemini-stream-json",
];

/** @throws FactoryError NOT_SUPPORTED: silently ignored, a limit would be worse than none. */
export function assertCan(agent: AgentListing, wishes: Wishes): void {
  const { permissions, maxCostUsd, maxTurns } = wishes;
  if (permissions !== undefined && !canBeHeldTo(agent, permissions)) {
    refuse(agent, "permissions", "can't ask for permission as it is started here");
  }
  if (permissions !== undefined && agent.protocol === "plain") {
    refuse(agent, "permissions", "never asks for permission");
  }
  if (maxCostUsd !== undefined && !tellsCost(agent)) {
    refuse(agent, "maxCostUsd", "doesn't tell what it costs");
  }
  if (maxTurns !== undefined && !tellsTurns(agent)) {
    refuse(agent, "maxTurns", "doesn't tell of its turns");
  }
}

export function tellsCost({ protocol }: AgentListing): boolean {
  return !costless.includes(protocol);
}

export function tellsTurns({ protocol }: AgentListing): boolean {
  return protocol !== "plain";
}

/** A headless agent has nobody to ask while it runs, and a plain one is only watched. */
export function canBeHeldTo({ protocol }: AgentListing, policy: PermissionPolicy): boolean {
  if (policy === "ALLOW" || protocol === null || protocol === "acp") return true;
  return policy === "DENY" && protocol !== "plain";
}

function refuse({ name }: AgentListing, field: string, why: string): never {
  throw new FactoryError("NOT_SUPPORTED", `${name} ${why}: leave ${field} out`);
}
