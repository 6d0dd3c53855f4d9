import type { AgentDefinition } from "./definition.ts";
import { commandWithTaskOnStdin } from "./task.ts";

/** Anthropic's Claude Code. */
export function claude(isRoot: boolean): AgentDefinition {
  const program = "claude";
  return {
    name: "claude",
    program,
    protocol: "claude-stream-json",
    install: "npm install -g @anthropic-ai/claude-code",
    command: ({ task }) =>
      commandWithTaskOnStdin(
        program,
        [
          "--print",
          "--output-format",
          "stream-json",
          // stream-json without it is refused.
          "--verbose",
          // Nobody is there to be asked; without permissions it ends well having done nothing.
          "--permission-mode",
          "bypassPermissions",
        ],
        task,
      ),
    environmentNames: [
      "ANTHROPIC_API_KEY",
      "ANTHROPIC_AUTH_TOKEN",
      "ANTHROPIC_BASE_URL",
      "ANTHROPIC_CUSTOM_HEADERS",
      "ANTHROPIC_MODEL",
      "ANTHROPIC_SMALL_FAST_MODEL",
      "ANTHROPIC_DEFAULT_OPUS_MODEL",
      "ANTHROPIC_DEFAULT_SONNET_MODEL",
      "ANTHROPIC_DEFAULT_HAIKU_MODEL",
      "CLAUDE_CONFIG_DIR",
      "CLAUDE_CODE_OAUTH_TOKEN",
      "CLAUDE_CODE_MAX_RETRIES",
      "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
      "CLAUDE_CODE_SUBAGENT_MODEL",
      "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
      "CLAUDE_CODE_ENABLE_PROMPT_SUGGESTION",
    ],
    fixedEnvironment: {
      // An update under the feet of the other workers helps nobody.
      DISABLE_AUTOUPDATER: "1",
      // As root it refuses bypassPermissions unless told that it is contained.
      ...(isRoot ? { IS_SANDBOX: "1" } : {}),
    },
  };
}
