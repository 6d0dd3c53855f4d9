// What can be done with an agent: the one place that knows it. It follows from how the agent is spoken to, and is
// what a dispatch is checked by, what messages are refused by, and what clients are shown.
import { FactoryError } from "../errors.ts";
import {
  agentCapabilities,
  isProtocolName,
  type AgentCapability,
  type AgentListing,
  type AgentWay,
  type ProtocolName,
} from "./definition.ts";
import type { PermissionPolicy } from "./talk.ts";

const headless = ["FOLLOW_UP", "RESUME", "PERMISSIONS_DENY", "MAX_TURNS"] as const;

const byProtocol: Readonly<Record<ProtocolName, readonly AgentCapability[]>> = {
  // It is only watched: what it prints is for people, and says neither costs nor turns.
  plain: ["TERMINAL_OUTPUT"],
  acp: [...headless, "MESSAGES", "PERMISSIONS_ASK", "MAX_COST_USD"],
  "claude-stream-json": [...headless, "MAX_COST_USD"],
  // The output of these two never says what was spent, so a limit would never be reached.
  "codex-stream-json": headless,
  "gemini-stream-json": headless,
  "opencode-stream-json": [...headless, "MAX_COST_USD"],
};

/** Of an agent as it is started here. */
export function capabilitiesOf(
  way: Pick<AgentWay, "protocol" | "ignoresConversation" | "takesCommand">,
): readonly AgentCapability[] {
  return sorted((capability) => {
    if (capability === "COMMAND_TASK") return way.takesCommand === true;
    if (capability === "RESUME" && way.ignoresConversation === true) return false;
    return byProtocol[way.protocol].includes(capability);
  });
}

/**
 * As another server tells them.
 * @param told undefined or null: a server of an older version, which tells of the protocol alone
 * @returns null: not known
 */
export function readCapabilities(
  told: unknown,
  protocol: string | null,
): readonly AgentCapability[] | null {
  if (Array.isArray(told)) return sorted((capability) => told.includes(capability));
  return protocol !== null && isProtocolName(protocol) ? capabilitiesOf({ protocol }) : null;
}

/** What of a session decides what can be done with its agent. */
export interface AgentOfSession {
  /** As it was started; null: it has not started yet. */
  readonly protocol: string | null;
}

/**
 * Of a session's agent: as it was started, whatever its name stands for today. What was not started yet, and
 * whether a follow-up can resume, goes by the agent of today.
 * @param today undefined: no server that is there knows the agent any more
 * @returns null: not known
 */
export function capabilitiesOfSession(
  { protocol }: AgentOfSession,
  today: Pick<AgentListing, "capabilities"> | undefined,
): readonly AgentCapability[] | null {
  const now = today?.capabilities ?? null;
  const then = readCapabilities(undefined, protocol);
  if (then === null) return now;
  return sorted((capability) => {
    // Neither is stored with the session.
    if (capability === "COMMAND_TASK") {
      return then.includes("TERMINAL_OUTPUT") && now?.includes(capability) === true;
    }
    if (capability === "RESUME" && now?.includes(capability) === false) return false;
    return then.includes(capability);
  });
}

function sorted(has: (capability: AgentCapability) => boolean): readonly AgentCapability[] {
  return agentCapabilities.filter(has);
}

export interface RequestedLimits {
  readonly permissions?: PermissionPolicy | undefined;
  readonly maxCostUsd?: number | undefined;
  readonly maxTurns?: number | undefined;
}

type Capable = Pick<AgentListing, "name" | "capabilities">;

/** @throws FactoryError NOT_SUPPORTED: silently ignored, a limit would be worse than none. */
export function assertAgentSupports(agent: Capable, limits: RequestedLimits): void {
  const { permissions, maxCostUsd, maxTurns } = limits;
  if (permissions !== undefined && !canBeHeldTo(agent, permissions)) {
    refuse(agent, "permissions", "can't ask for permission as it is started here");
  }
  if (permissions !== undefined && !canDo(agent, "PERMISSIONS_DENY")) {
    refuse(agent, "permissions", "never asks for permission");
  }
  if (maxCostUsd !== undefined && !canDo(agent, "MAX_COST_USD")) {
    refuse(agent, "maxCostUsd", "doesn't tell what it costs");
  }
  if (maxTurns !== undefined && !canDo(agent, "MAX_TURNS")) {
    refuse(agent, "maxTurns", "doesn't tell of its turns");
  }
}

/** A headless agent has nobody to ask while it runs, and a plain one is only watched. */
export function canBeHeldTo(agent: Capable, policy: PermissionPolicy): boolean {
  if (policy === "ALLOW") return true;
  return canDo(agent, policy === "ASK" ? "PERMISSIONS_ASK" : "PERMISSIONS_DENY");
}

/** Of an agent whose capabilities are not known, all: its runner decides. */
export function canDo({ capabilities }: Capable, capability: AgentCapability): boolean {
  return capabilities === null || capabilities.includes(capability);
}

function refuse({ name }: Capable, field: string, why: string): never {
  throw new FactoryError("NOT_SUPPORTED", `${name} ${why}: leave ${field} out`);
}
