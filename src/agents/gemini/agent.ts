import path from "node:path";
import type { AgentDefinition, AgentStart, StartContext } from "../definition.ts";
import { byName } from "../mcp-servers.ts";
import { startWithPromptOnStdin } from "../task.ts";

/** Google's Gemini CLI. */
export function gemini(): AgentDefinition {
  const program = "gemini";
  const install = "npm install -g @google/gemini-cli";
  return {
    name: "gemini",
    ways: [
      { protocol: "acp", program, install, start: () => ({ command: [program, "--acp"] }) },
      { protocol: "gemini-stream-json", program, install, start: startHeadless },
    ],
    environmentNames: [
      "GEMINI_API_KEY",
      "GEMINI_MODEL",
      "GEMINI_CLI_CUSTOM_HEADERS",
      "GOOGLE_API_KEY",
      "GOOGLE_GEMINI_BASE_URL",
      "GOOGLE_VERTEX_BASE_URL",
      "GOOGLE_GENAI_USE_VERTEXAI",
      "GOOGLE_GENAI_USE_GCA",
      "GOOGLE_CLOUD_PROJECT",
      "GOOGLE_CLOUD_PROJECT_ID",
      "GOOGLE_CLOUD_LOCATION",
      "GOOGLE_APPLICATION_CREDENTIALS",
    ],
    fixedEnvironment: {
      GEMINI_CLI_TRUST_WORKSPACE: "true",
      // Else it starts itself again as a child, and the parent ignores SIGTERM.
      GEMINI_CLI_NO_RELAUNCH: "true",
    },
    logins: [{ file: ".gemini/oauth_creds.json" }],
    settings: [{ file: ".gemini/settings.json" }],
  };
}

function startHeadless(context: StartContext): AgentStart {
  const { permissions, resume, mcpServers, temporary } = context;
  const start = startWithPromptOnStdin(context, [
    "gemini",
    "--output-format",
    "stream-json",
    // Nobody is there to be asked: in "default" it has no tools that would have to be asked for.
    "--approval-mode",
    permissions === "ALLOW" ? "yolo" : "default",
    ...(resume === undefined ? [] : ["--resume", resume.conversationId]),
  ]);
  if (mcpServers.length === 0) return start;
  // Of its settings files this one weighs least, so that it replaces none of the user's.
  const settings = path.join(temporary, "gemini-defaults.json");
  const servers = byName(mcpServers, ({ url, headers }) => ({
    httpUrl: url,
    headers,
    trust: true,
  }));
  return {
    ...start,
    env: { GEMINI_CLI_SYSTEM_DEFAULTS_PATH: settings },
    files: {
      ...start.files,
      [settings]: JSON.stringify({ mcpServers: servers }),
    },
  };
}
