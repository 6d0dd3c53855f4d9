import type { AgentDefinition, AgentStart, StartContext } from "../definition.ts";
import { isObject, objectIn, parseObject } from "../json.ts";
import { byName } from "../mcp-servers.ts";
import { startWithPromptOnStdin } from "../task.ts";

/** opencode, for models of many providers. */
export function opencode(): AgentDefinition {
  const program = "opencode";
  const install = "npm install -g opencode-ai";
  return {
    name: "opencode",
    ways: [
      { protocol: "acp", program, install, start: startSpokenTo },
      { protocol: "opencode-stream-json", program, install, start: startHeadless },
    ],
    environmentNames: [
      "ANTHROPIC_API_KEY",
      "OPENAI_API_KEY",
      "GEMINI_API_KEY",
      "GOOGLE_GENERATIVE_AI_API_KEY",
      "OPENROUTER_API_KEY",
      "GROQ_API_KEY",
      "MISTRAL_API_KEY",
      "DEEPSEEK_API_KEY",
      "XAI_API_KEY",
      "OPENCODE_API_KEY",
      "OPENCODE_AUTH_CONTENT",
      "OPENCODE_CONFIG",
      configVariable,
      "OPENCODE_CONFIG_DIR",
      "OPENCODE_MODELS_PATH",
      "OPENCODE_MODELS_URL",
      "OPENCODE_DISABLE_DEFAULT_PLUGINS",
      "OPENCODE_DISABLE_LSP_DOWNLOAD",
      "OPENCODE_DISABLE_MODELS_FETCH",
      "XDG_CONFIG_HOME",
      "XDG_DATA_HOME",
    ],
    fixedEnvironment: { OPENCODE_DISABLE_AUTOUPDATE: "1" },
    logins: [
      {
        file: ".local/share/opencode/auth.json",
        movedBy: { variable: "XDG_DATA_HOME", folder: ".local/share" },
      },
    ],
    settings: [
      {
        file: ".config/opencode/opencode.json",
        movedBy: { variable: "XDG_CONFIG_HOME", folder: ".config" },
      },
    ],
  };
}

const configVariable = "OPENCODE_CONFIG_CONTENT";

function startSpokenTo({ permissions }: StartContext): AgentStart {
  return {
    command: ["opencode", "acp"],
    env: permissionEnvironment(
      // Each request is answered, so it may ask before it leaves the worktree.
      permissions === "ALLOW" ? { "*": "allow", external_directory: "ask" } : whatIsAsked([]),
    ),
  };
}

function startHeadless(context: StartContext): AgentStart {
  const { permissions, resume, mcpServers } = context;
  // Given as an argument, a task with a space in it would reach the model quoted and escaped.
  const start = startWithPromptOnStdin(context, [
    "opencode",
    "run",
    "--format",
    "json",
    ...(resume === undefined ? [] : ["-s", resume.conversationId]),
  ]);
  return {
    ...start,
    env: {
      ...permissionEnvironment(
        // Nobody is there to be asked: what would have to be is refused.
        permissions === "ALLOW"
          ? { "*": "allow" }
          : whatIsAsked(mcpServers.map(({ name }) => name)),
      ),
      ...serverEnvironment(context),
    },
  };
}

/** Merged over the user's own configuration. */
function permissionEnvironment(permission: Readonly<Record<string, string>>) {
  return { OPENCODE_PERMISSION: JSON.stringify(permission) };
}

/** opencode allows nearly all by default. The last rule that matches counts. */
function whatIsAsked(servers: readonly string[]): Record<string, string> {
  const harmless = ["read", "list", "glob", "grep", "lsp", "todoread", "todowrite"];
  const allowed = [...harmless, ...servers.map((name) => `${name}_*`)];
  return { "*": "ask", ...Object.fromEntries(allowed.map((name) => [name, "allow"])) };
}

/** The user's own content of that variable is kept. */
function serverEnvironment({ mcpServers, environment }: StartContext): Record<string, string> {
  if (mcpServers.length === 0) return {};
  const given = environment[configVariable] ?? "";
  const own = given === "" ? {} : parseObject(given);
  // It may hold comments, which JSON has not: better no server than to lose what the user said.
  if (!isObject(own)) return {};
  const servers = byName(mcpServers, ({ url, headers }) => ({
    type: "remote",
    url,
    headers,
    enabled: true,
  }));
  const mcp = { ...objectIn(own, "mcp"), ...servers };
  return { [configVariable]: JSON.stringify({ ...own, mcp }) };
}
