import { acp } from "./acp/protocol.ts";
import { claudeStream } from "./claude/stream.ts";
import { codexStream } from "./codex/stream.ts";
import { isProtocolName, type ProtocolName } from "./definition.ts";
import { geminiStream } from "./gemini/stream.ts";
import { opencodeStream } from "./opencode/stream.ts";
import type { Protocol } from "./talk.ts";

const protocols: Readonly<Record<ProtocolName, Protocol | undefined>> = {
  // Its output is output, and its exit code tells how it went.
  plain: undefined,
  acp,
  "claude-stream-json": claudeStream,
  "codex-stream-json": codexStream,
  "gemini-stream-json": geminiStream,
  "opencode-stream-json": opencodeStream,
};

/**
 * @param name as it is stored with a session, perhaps by another version of Factory
 * @returns undefined: what the agent says is output, and nothing more
 */
export function protocolOf(name: string): Protocol | undefined {
  return isProtocolName(name) ? protocols[name] : undefined;
}
