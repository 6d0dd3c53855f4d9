/** Puts the task in place of every `{task}`, as it stands. */
export function insertTask(argument: string, task: string): string {
  // Not String.replace with a string: it would take `$&` and the like in the task for patterns.
  return argument.split("{task}").join(task);
}

/**
 * A start line that gives the task on standard input. There it can't be taken for an option, needs
 * no quoting, and its end is the end of the input: headless agents that are given the task as an
 * argument go on to read standard input to its end, which never comes while a launcher holds it open.
 *
 * The here-document's text is expanded once: what is in the task stays as it is (POSIX, Shell Command
 * Language, 2.7.4). `exec` leaves no shell behind.
 */
export function commandWithTaskOnStdin(program: string, args: string[], task: string): string[] {
  const script = 'task=$1; shift; exec "$@" <<END\n$task\nEND\n';
  return ["/bin/sh", "-c", script, "sh", task, program, ...args];
}
