import type { AgentDefinition } from "./definition.ts";
import { commandWithTaskOnStdin } from "./task.ts";

/** OpenAI's Codex CLI. */
export function codex(): AgentDefinition {
  const program = "codex";
  return {
    name: "codex",
    program,
    protocol: "codex-stream-json",
    install: "npm install -g @openai/codex",
    command: ({ task, gitDir, worktreeGitDir }) =>
      commandWithTaskOnStdin(
        program,
        [
          "exec",
          "--json",
          "--sandbox",
          "workspace-write",
          "--config",
          'approval_policy="never"',
          // A worktree's git data lies outside of it: without these two no commit can be made, and
          // codex ends well all the same. JSON's strings are TOML's basic strings.
          "--config",
          `sandbox_workspace_write.writable_roots=${JSON.stringify([gitDir, worktreeGitDir])}`,
          // The worker must reach Factory, and installs packages and pushes as the others do.
          "--config",
          "sandbox_workspace_write.network_access=true",
          // The task comes from standard input.
          "-",
        ],
        task,
      ),
    // With OpenAI itself CODEX_API_KEY counts (or `codex login`); OPENAI_API_KEY does where the
    // user's config.toml names it as a provider's env_key.
    environmentNames: [
      "CODEX_API_KEY",
      "OPENAI_API_KEY",
      "OPENAI_ORGANIZATION",
      "OPENAI_PROJECT",
      "CODEX_ACCESS_TOKEN",
      "CODEX_HOME",
    ],
    fixedEnvironment: {},
  };
}
