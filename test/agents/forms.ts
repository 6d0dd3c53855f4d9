// The agents in the forms in which Factory starts them.
import type { ProtocolName } from "../../src/agents/definition.ts";
import type { JsonObject } from "../../src/agents/json.ts";
import type { Program } from "./programs.ts";

export type AgentName = "claude" | "codex" | "gemini" | "opencode";

export interface Form {
  readonly agent: AgentName;
  readonly protocol: ProtocolName;
  readonly program: Program;
  /** Arguments of a tool call with which the agent asks before it runs it; undefined: it can't ask. */
  readonly asking?: JsonObject;
}

export const forms: readonly Form[] = [
  { agent: "claude", protocol: "acp", program: "claude-agent-acp", asking: {} },
  { agent: "claude", protocol: "claude-stream-json", program: "claude" },
  {
    agent: "codex",
    protocol: "acp",
    program: "codex-acp",
    // It asks only where the model wants to leave the sandbox.
    asking: { sandbox_permissions: "require_escalated", justification: "to commit" },
  },
  { agent: "codex", protocol: "codex-stream-json", program: "codex" },
  { agent: "gemini", protocol: "acp", program: "gemini", asking: {} },
  { agent: "gemini", protocol: "gemini-stream-json", program: "gemini" },
  { agent: "opencode", protocol: "acp", program: "opencode", asking: {} },
  { agent: "opencode", protocol: "opencode-stream-json", program: "opencode" },
];
