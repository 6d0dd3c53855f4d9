// The commands about the server itself, as they are typed.
import { Option, type Command } from "commander";
import type { Act } from "./act.ts";
import { jsonFlag, shells, type JsonOption } from "./options.ts";

const roles = ["all", "api", "runner"] as const;
type Role = (typeof roles)[number];

export type Serve = (options: {
  readonly role: Role;
  readonly stopWorkersOnExit: boolean;
}) => Promise<number>;

interface ServeOptions {
  readonly role: Role;
  readonly stopWorkersOnExit?: boolean;
}

export function defineServerCommands(program: Command, act: Act, serve: Serve): void {
  program.commandsGroup("Server:");
  program
    .command("serve")
    .summary("start a server")
    .description(
      "Start a server. Its settings come from the environment and from .env: see the README.",
    )
    .addOption(
      new Option("--role <ROLE>", "all: answer requests and run workers; or one of both alone")
        .choices(roles)
        .default("all"),
    )
    .option(
      "--stop-workers-on-exit",
      "end the workers at SIGTERM or SIGINT; without it they run on, and the next start goes on with them",
    )
    .action(
      act(({ role, stopWorkersOnExit = false }: ServeOptions) =>
        serve({ role, stopWorkersOnExit }),
      ),
    );
  program
    .command("status")
    .summary("show what the server does, and who waits for you")
    .description("Show what the server does, and who waits for you.")
    .option(...jsonFlag)
    .action(act(async (options: JsonOption) => (await import("./status.ts")).status(options)));
  program
    .command("agents")
    .summary("list the agents that can be dispatched")
    .description("List the agents that can be dispatched.")
    .option(...jsonFlag)
    .action(act(async (options: JsonOption) => (await import("./agents.ts")).listAgents(options)));
  program
    .command("mcp")
    .summary("give Factory's tools to an agent")
    .description(
      "Give Factory's tools to an agent: the Model Context Protocol on stdin and stdout.",
    )
    .action(
      act(async () => {
        const { serveMcp } = await import("./mcp.ts");
        return serveMcp({ input: process.stdin, output: process.stdout, errors: process.stderr });
      }),
    );
}

/** @param bare the program without these two */
export function defineCompletion(program: Command, act: Act, bare: () => Command): void {
  program
    .command("completion")
    .summary("print the completion script of a shell")
    .description("Print what a shell needs to complete commands, flags and names.")
    .argument("SHELL", shells.join(", "))
    .addHelpText(
      "after",
      `
Examples:
  source <(factory completion bash)                       # or as a line of ~/.bashrc
  source <(factory completion zsh)                        # behind compinit in ~/.zshrc
  factory completion fish > ~/.config/fish/completions/factory.fish`,
    )
    .action(act(async (shell: string) => (await import("./completion.ts")).printScript(shell)));
  // What those scripts ask at each key.
  program
    .command("complete", { hidden: true })
    .argument("[words...]")
    .allowUnknownOption()
    .action(
      act(async (words: string[]) => (await import("./completion.ts")).complete(bare(), words)),
    );
}
