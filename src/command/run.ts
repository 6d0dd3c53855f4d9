// The command line: what commands there are, and what becomes of a wrong one. What a command does is loaded when it is
// run, so that none waits for the others.
import { Command, CommanderError, type Argument } from "commander";
import { readVersion } from "../version.ts";
import { exitCodes } from "./connection.ts";
import { defineRepositoryCommands } from "./define-repositories.ts";
import { defineCompletion, defineServerCommands, type Serve } from "./define-server.ts";
import { defineSteeringCommands } from "./define-steering.ts";
import { defineWorkerCommands } from "./define-workers.ts";
import { styled } from "./print.ts";
import type { Act } from "./act.ts";

const introduction = `Runs many coding agents at once, each in its own copy of the code.
It finds the server of this machine; for another, set FACTORY_URL and FACTORY_TOKEN.`;

const firstSteps = `
First steps:
  factory clone octocat/Hello-World
  factory dispatch "git log -3" --agent shell --parent me --repo octocat/Hello-World --follow
  factory watch me

"factory help COMMAND" says more about each, with examples.
Exit codes: 0 success, 1 the server said no, 2 wrong usage, 3 no server was reached.`;

/** @returns the exit code @throws ConfigError, CommandError, FactoryError */
export async function run(args: readonly string[], serve: Serve): Promise<number> {
  let exitCode: number = exitCodes.done;
  const act: Act =
    (perform) =>
    async (...given) => {
      exitCode = await perform(...given);
    };
  const program = createProgram(act, serve);
  defineCompletion(program, act, () => createProgram(act, serve));
  tellUsage(program);
  if (args.length === 0) {
    program.outputHelp();
    return exitCode;
  }
  try {
    await program.parseAsync(withDeepHelp(program, args), { from: "user" });
    return exitCode;
  } catch (error) {
    // It has said already what is wrong; help and --version come here too.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.badUsage;
    throw error;
  }
}

function createProgram(act: Act, serve: Serve): Command {
  const program = new Command("factory")
    .description(introduction)
    .version(readVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .usage("COMMAND [options]")
    .addHelpText("after", firstSteps)
    .exitOverride()
    .configureOutput({
      outputError(text, write) {
        write(text.replace(/^error: /, "factory: "));
      },
    })
    .configureHelp({
      // Flags belong to the help of the command itself.
      subcommandTerm: (command) =>
        [command.name(), ...command.registeredArguments.map(nameOf)].join(" "),
      styleTitle: (title) => styled("bold", title),
    });
  defineWorkerCommands(program, act);
  defineSteeringCommands(program, act);
  defineRepositoryCommands(program, act);
  defineServerCommands(program, act, serve);
  // Here, so that it stands among the last ones.
  return program.helpCommand("help [COMMAND...]", "say more about a command");
}

/**
 * commander's help takes the first word alone: "help worktree create" would be that of "worktree", and "help
 * nonsense" that of all.
 */
function withDeepHelp(program: Command, args: readonly string[]): readonly string[] {
  const [first, ...words] = args;
  if (first !== "help" || words.length === 0) return args;
  const path: string[] = [];
  let command: Command | undefined = program;
  for (const word of words) {
    if (command.commands.length === 0) break;
    path.push(word);
    command = command.commands.find((child) => child.name() === word);
    // Called, it is refused with what may have been meant.
    if (command === undefined) return path;
  }
  return [...path, "--help"];
}

function nameOf(argument: Argument): string {
  return argument.required ? argument.name() : `[${argument.name()}]`;
}

/** A mistake is told with how the command is used. */
function tellUsage(command: Command, path = command.name()): void {
  const usage = command.createHelp().commandUsage(command);
  command.showHelpAfterError(`Usage: ${usage}\n"${path} --help" says more.`);
  for (const child of command.commands) tellUsage(child, `${path} ${child.name()}`);
}
