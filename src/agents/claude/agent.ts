import path from "node:path";
import type { AgentDefinition, AgentStart, StartContext } from "../definition.ts";
import { byName } from "../mcp-servers.ts";
import { startWithPromptOnStdin } from "../task.ts";

/** Anthropic's Claude Code. */
export function claude(isRoot: boolean): AgentDefinition {
  return {
    name: "claude",
    ways: [
      {
        protocol: "acp",
        program: "claude-agent-acp",
        install: "npm install -g @agentclientprotocol/claude-agent-acp",
        start: () => ({ command: ["claude-agent-acp"] }),
      },
      {
        protocol: "claude-stream-json",
        program: "claude",
        install: "npm install -g @anthropic-ai/claude-code",
        start: startHeadless,
      },
    ],
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
      // The adapter brings a claude of its own, unless told of another.
      "CLAUDE_CODE_EXECUTABLE",
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
    logins: [
      {
        file: ".claude/.credentials.json",
        movedBy: { variable: "CLAUDE_CONFIG_DIR", folder: ".claude" },
      },
    ],
  };
}

function startHeadless(context: StartContext): AgentStart {
  const { permissions, resume, mcpServers, temporary } = context;
  const config = path.join(temporary, "mcp.json");
  const start = startWithPromptOnStdin(context, [
    "claude",
    "--print",
    "--output-format",
    "stream-json",
    // stream-json without it is refused.
    "--verbose",
    // Nobody is there to be asked: "default" refuses what would have to be asked, and says so in the end.
    "--permission-mode",
    permissions === "ALLOW" ? "bypassPermissions" : "default",
    ...(mcpServers.length === 0 ? [] : ["--mcp-config", config]),
    // Each server given here is Factory's own, by which the agent reports.
    ...(permissions === "ALLOW" || mcpServers.length === 0
      ? []
      : [`--allowedTools=${mcpServers.map(({ name }) => `mcp__${name}`).join(",")}`]),
    ...(resume === undefined ? [] : ["--resume", resume.conversationId]),
  ]);
  if (mcpServers.length === 0) return start;
  const servers = byName(mcpServers, ({ url, headers }) => ({ type: "http", url, headers }));
  const content = JSON.stringify({ mcpServers: servers });
  return { ...start, files: { ...start.files, [config]: content } };
}
