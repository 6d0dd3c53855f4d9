import type { AgentDefinition, AgentStart, StartContext } from "../definition.ts";
import { startWithPromptOnStdin } from "../task.ts";

/** OpenAI's Codex CLI. */
export function codex(): AgentDefinition {
  return {
    name: "codex",
    ways: [
      {
        protocol: "acp",
        program: "codex-acp",
        install: "npm install -g @agentclientprotocol/codex-acp",
        start: startAdapter,
      },
      {
        protocol: "codex-stream-json",
        program: "codex",
        install: "npm install -g @openai/codex",
        start: startHeadless,
      },
    ],
    // With OpenAI itself CODEX_API_KEY counts (or `codex login`); OPENAI_API_KEY does where the
    // user's config.toml names it as a provider's env_key.
    environmentNames: [
      "CODEX_API_KEY",
      "OPENAI_API_KEY",
      "OPENAI_ORGANIZATION",
      "OPENAI_PROJECT",
      "CODEX_ACCESS_TOKEN",
      "CODEX_HOME",
      // The adapter brings a codex of its own, unless told of another.
      "CODEX_PATH",
    ],
    fixedEnvironment: {},
    logins: [{ file: ".codex/auth.json", movedBy }],
    settings: [{ file: ".codex/config.toml", movedBy }],
  };
}

const movedBy = { variable: "CODEX_HOME", folder: ".codex" };

/** A worktree's git data lies outside of it: without it no commit can be made in the sandbox. */
function writableRoots({ gitDir }: StartContext): string[] {
  return [gitDir];
}

function startAdapter(context: StartContext): AgentStart {
  const isAllowed = context.permissions === "ALLOW";
  return {
    command: ["codex-acp"],
    env: {
      INITIAL_AGENT_MODE: isAllowed ? "agent-full-access" : "workspace-write",
      CODEX_CONFIG: JSON.stringify({
        sandbox_workspace_write: {
          writable_roots: writableRoots(context),
          network_access: isAllowed,
        },
      }),
    },
  };
}

function startHeadless(context: StartContext): AgentStart {
  const { permissions, resume } = context;
  const servers = context.mcpServers.map(serverSettings);
  const start = startWithPromptOnStdin(context, [
    "codex",
    "exec",
    "--json",
    "--sandbox",
    "workspace-write",
    // Nobody is there to be asked: what the sandbox doesn't let through is refused, whatever the policy.
    ...config("approval_policy", "never"),
    ...config("sandbox_workspace_write.writable_roots", writableRoots(context)),
    // The worker must reach Factory, and installs packages and pushes as the others do.
    ...(permissions === "ALLOW" ? config("sandbox_workspace_write.network_access", true) : []),
    ...servers.flatMap((server) => server.args),
    ...(resume === undefined ? [] : ["resume", resume.conversationId]),
    // The prompt comes from standard input.
    "-",
  ]);
  const env = servers.flatMap((server) => server.env);
  return env.length === 0 ? start : { ...start, env: Object.fromEntries(env) };
}

/** JSON's strings, lists and booleans are TOML's too. */
function config(name: string, value: string | boolean | readonly string[]): string[] {
  return ["--config", `${name}=${JSON.stringify(value)}`];
}

/** Headers are secrets: the arguments name variables that hold them. */
function serverSettings(
  { name, url, headers }: StartContext["mcpServers"][number],
  index: number,
): { args: string[]; env: (readonly [string, string])[] } {
  const named = Object.entries(headers).map(
    ([header, value], at) => [header, `MCP_HEADER_${String(index)}_${String(at)}`, value] as const,
  );
  return {
    args: [
      ...config(`mcp_servers.${name}.url`, url),
      ...named.flatMap(([header, variable]) =>
        config(`mcp_servers.${name}.env_http_headers.${header}`, variable),
      ),
    ],
    env: named.map(([, variable, value]) => [variable, value] as const),
  };
}
