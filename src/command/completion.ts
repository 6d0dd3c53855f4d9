// `factory completion`, and what its scripts ask at each key.
import tab, { type RootCommand } from "@bomb.sh/tab";
import fromCommander from "@bomb.sh/tab/commander";
import type { Command } from "commander";
import { CommandError, exitCodes, findServer } from "./connection.ts";
import { say } from "./print.ts";
import { listNames, type KnownNames } from "./suggest.ts";
import { shells } from "./options.ts";

/**
 * Not the library's own, which evaluates the words on the line as code, needs a package for bash beside it, and
 * complains where it is read twice.
 */
const bashScript = `# bash completion for factory
_factory_complete() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    # The last line tells how the others are meant.
    [[ $line == :* ]] || COMPREPLY+=("\${line%%$'\\t'*}")
  done < <(factory complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _factory_complete factory`;

/** Nobody waits longer for a list of names. */
const timeoutMs = 1_000;

export function printScript(shell: string): Promise<number> {
  const known = shells.find((name) => name === shell);
  if (known === undefined) {
    throw new CommandError(
      exitCodes.badUsage,
      `there is no completion for ${shell}: it may be ${shells.join(", ")}`,
    );
  }
  if (known === "bash") say(bashScript);
  else tab.setup("factory", "factory", known);
  return Promise.resolve(exitCodes.done);
}

/** @param program without the command that calls this */
export async function complete(program: Command, words: readonly string[]): Promise<number> {
  const root = fromCommander(program, { completionCommandName: "completion" });
  root.commands.get("completion")?.argument("shell", (add) => {
    for (const shell of shells) add(shell, "");
  });
  // Commands and flags are known without asking.
  const mayBeName = words.length > 1 && words.at(-1)?.startsWith("-") !== true;
  if (mayBeName) addNames(root, await findNames());
  root.parse([...words]);
  return exitCodes.done;
}

/** undefined: nobody is there to be asked, which completes nothing. */
async function findNames(): Promise<KnownNames | undefined> {
  try {
    return await listNames(await findServer(), timeoutMs);
  } catch (error) {
    if (error instanceof CommandError) return undefined;
    throw error;
  }
}

function addNames(root: RootCommand, names: KnownNames | undefined): void {
  if (names === undefined) return;
  const lists = {
    WORKER: names.workers.toReversed(),
    PARENT: names.parents,
    "OWNER/NAME": names.repositories,
    BRANCH: [...new Set(names.worktrees.map(({ branch }) => branch))],
  };
  const offer = (list: readonly string[]) => (add: (value: string, about: string) => void) => {
    for (const name of list) add(name, "");
  };
  for (const command of root.commands.values()) {
    for (const [name, list] of Object.entries(lists)) {
      const argument = command.arguments.get(name);
      if (argument !== undefined) argument.handler = offer(list);
    }
    const parent = command.options.get("parent");
    if (parent !== undefined) parent.handler = offer(names.parents);
    const agent = command.options.get("agent");
    if (agent !== undefined) agent.handler = offer(names.agents);
    const repository = command.options.get("repo");
    if (repository !== undefined) repository.handler = offer(names.repositories);
  }
}
