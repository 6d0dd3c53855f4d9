import type { AgentDefinition } from "./definition.ts";
import { commandWithTaskOnStdin } from "./task.ts";

/** Google's Gemini CLI. */
export function gemini(): AgentDefinition {
  const program = "gemini";
  return {
    name: "gemini",
    program,
    protocol: "gemini-stream-json",
    install: "npm install -g @google/gemini-cli",
    command: ({ task }) =>
      commandWithTaskOnStdin(
        program,
        // Without yolo it ends well having done nothing.
        ["--output-format", "stream-json", "--approval-mode", "yolo"],
        task,
      ),
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
  };
}
