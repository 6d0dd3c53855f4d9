import type { AgentDefinition } from "./definition.ts";

/** Runs the task itself as a command line: tests, linters, deployments. */
export function shell(): AgentDefinition {
  const program = "bash";
  return {
    name: "shell",
    ways: [
      {
        protocol: "plain",
        program,
        takesCommand: true,
        install: "your system's bash package, e.g. apt-get install bash",
        // "--" ends bash's own options, so that a task may begin with a dash.
        start: ({ task }) => ({ command: [program, "-c", "--", task] }),
      },
    ],
    environmentNames: [],
    fixedEnvironment: {},
  };
}
