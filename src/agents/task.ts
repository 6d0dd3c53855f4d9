import path from "node:path";
import type { AgentStart, StartContext } from "./definition.ts";

/** Puts the task in place of every `{task}`, as it stands. */
export function insertTask(argument: string, task: string): string {
  // Not String.replace with a string: it would take `$&` and the like in the task for patterns.
  return argument.split("{task}").join(task);
}

/** For a start line that knows no way to resume a conversation. */
export function promptWithoutResume({ prompt, resume }: StartContext): string {
  return resume?.promptIfNew ?? prompt;
}

/**
 * A start that gives the prompt on standard input, from a file. There it can't be taken for an option,
 * needs no quoting, may be longer than an argument, is seen by no other user, and its end is the end of
 * the input: headless agents that are given the task as an argument go on to read standard input to its
 * end, which never comes while a launcher holds it open. `exec` leaves no shell behind.
 */
export function startWithPromptOnStdin(
  context: Pick<StartContext, "prompt" | "temporary">,
  command: readonly string[],
): AgentStart & { readonly files: Readonly<Record<string, string>> } {
  const file = path.join(context.temporary, "prompt.txt");
  const script = 'input=$1; shift; exec "$@" <"$input"';
  return {
    command: ["/bin/sh", "-c", script, "sh", file, ...command],
    files: { [file]: `${context.prompt}\n` },
  };
}
