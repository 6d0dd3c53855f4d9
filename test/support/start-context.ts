import type { StartContext } from "../../src/agents/definition.ts";

/** What an agent is started with, of which a test names what it is about. */
export function startContext(given: Partial<StartContext> = {}): StartContext {
  const task = given.task ?? "Do it.";
  return {
    task,
    prompt: task,
    permissions: "ALLOW",
    mcpServers: [],
    gitDir: "/git",
    worktree: "/w",
    temporary: "/session/tmp",
    environment: {},
    ...given,
  };
}
