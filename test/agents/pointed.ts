// How each agent is pointed at the model server: by variables, and by files in its home folder.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { AgentName } from "./forms.ts";

/** Writes the agent's files below `home`; resolves with the variables that name them and the rest. */
export async function pointAt(
  agent: AgentName,
  url: string,
  home: string,
): Promise<Readonly<Record<string, string>>> {
  switch (agent) {
    case "claude":
      return {
        ANTHROPIC_BASE_URL: url,
        ANTHROPIC_API_KEY: "none",
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
        CLAUDE_CODE_ENABLE_PROMPT_SUGGESTION: "false",
        // Its own ten take two minutes.
        CLAUDE_CODE_MAX_RETRIES: "1",
      };
    case "codex":
      await write(join(home, ".codex", "config.toml"), codexConfig(url));
      return { CODEX_HOME: join(home, ".codex"), OPENAI_API_KEY: "none" };
    case "gemini":
      await write(
        join(home, ".gemini", "settings.json"),
        JSON.stringify({
          security: { auth: { selectedType: "gemini-api-key" } },
          // Its own ten attempts take three minutes and more.
          general: { disableAutoUpdate: true, maxAttempts: 2 },
          privacy: { usageStatisticsEnabled: false },
        }),
      );
      return {
        GOOGLE_GEMINI_BASE_URL: url,
        GEMINI_API_KEY: "none",
        GEMINI_MODEL: "gemini-2.5-flash",
      };
    case "opencode": {
      const file = join(home, "opencode.json");
      await write(file, opencodeConfig(url));
      return {
        OPENCODE_CONFIG: file,
        OPENCODE_DISABLE_DEFAULT_PLUGINS: "1",
        OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
        OPENCODE_DISABLE_MODELS_FETCH: "1",
      };
    }
  }
}

function codexConfig(url: string): string {
  return `model = "scripted"
model_provider = "scripted"
check_for_update_on_startup = false

[analytics]
enabled = false

[model_providers.scripted]
name = "scripted"
base_url = "${url}/v1"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
`;
}

function opencodeConfig(url: string): string {
  return JSON.stringify({
    model: "scripted/scripted",
    small_model: "scripted/scripted",
    autoupdate: false,
    share: "disabled",
    provider: {
      scripted: {
        npm: "@ai-sdk/openai-compatible",
        options: { baseURL: `${url}/v1`, apiKey: "none" },
        models: {
          scripted: { tool_call: true, limit: { context: 100_000, output: 10_000 } },
        },
      },
    },
  });
}

async function write(file: string, content: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
}
