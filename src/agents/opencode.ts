import type { AgentDefinition } from "./definition.ts";
import { commandWithTaskOnStdin } from "./task.ts";

/** opencode, for models of many providers. */
export function opencode(): AgentDefinition {
  const program = "opencode";
  return {
    name: "opencode",
    program,
    protocol: "opencode-stream-json",
    install: "npm install -g opencode-ai",
    // Given as an argument, a task with a space in it would reach the model quoted and escaped.
    command: ({ task }) => commandWithTaskOnStdin(program, ["run", "--format", "json"], task),
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
      "OPENCODE_CONFIG_CONTENT",
      "OPENCODE_CONFIG_DIR",
      "OPENCODE_MODELS_PATH",
      "OPENCODE_MODELS_URL",
      "OPENCODE_DISABLE_DEFAULT_PLUGINS",
      "OPENCODE_DISABLE_LSP_DOWNLOAD",
      "OPENCODE_DISABLE_MODELS_FETCH",
      "XDG_CONFIG_HOME",
      "XDG_DATA_HOME",
    ],
    fixedEnvironment: {
      OPENCODE_DISABLE_AUTOUPDATE: "1",
      // Merged over the user's own configuration: nobody is there to be asked.
      OPENCODE_PERMISSION: JSON.stringify({ "*": "allow" }),
    },
  };
}
