import { acp } from "./acp/protocol.ts";
import type { ProtocolName } from "./definition.ts";
import type { Protocol } from "./talk.ts";

const protocols: Readonly<Record<ProtocolName, Protocol | undefined>> = {
  // Its output is output, and its exit code tells how it went.
  plain: undefined,
  acp,
  "claude-stream-json": undefined,
  "codex-stream-json": undefined,
  "gemini-stream-json": undefined,
  "opencode-stream-json": undefined,
};

/** undefined: what the agent says is output, and nothing more. */
export function protocolOf(name: ProtocolName): Protocol | undefined {
  return protocols[name];
}
