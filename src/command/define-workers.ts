// The commands that dispatch workers and look at them, as they are typed.
import type { Command } from "commander";
import {
  choice,
  choices,
  parseAmount,
  parseRepository,
  parseWholeNumber,
  parseWorker,
} from "./parse.ts";
import { takesText } from "./takes-text.ts";
import type { Act } from "./act.ts";
import {
  jsonFlag,
  type JsonOption,
  type DispatchOptions,
  type ListWorkersOptions,
  type WatchOptions,
  type LogsOptions,
} from "./options.ts";

const worker = ["WORKER", "such as worker-17, or 17", parseWorker] as const;

export const statuses = [
  "queued",
  "preparing",
  "running",
  "waiting",
  "succeeded",
  "failed",
  "cancelled",
  "timed-out",
  "lost",
] as const;

export function defineWorkerCommands(program: Command, act: Act): void {
  program.commandsGroup("Workers:");
  defineDispatch(program, act);
  program
    .command("workers")
    .summary("list the workers")
    .description("List the workers, the latest last.")
    .option("--parent <NAME>", "those of this parent alone")
    .addOption(
      choices(
        "--status <STATUS>",
        "those with this status, or these with commas between",
        statuses,
      ),
    )
    .option("--all", "all, instead of the latest 100")
    .option(...jsonFlag)
    .addHelpText(
      "after",
      `
Examples:
  factory workers --parent me
  factory workers --status running,waiting
  factory workers --all --json | jq -r '.[] | select(.failureCode) | .name'`,
    )
    .action(
      act(async (options: ListWorkersOptions) =>
        (await import("./workers.ts")).listWorkers(options),
      ),
    );
  program
    .command("watch")
    .summary("watch a parent's workers as they change")
    .description(
      "Watch a parent's workers: a live table in a terminal, a line for each change in a pipe.",
    )
    .argument("PARENT", "the parent's name; one that has not dispatched yet is waited for")
    .option(
      "--after <SEQUENCE>",
      "in a pipe: begin behind this change; 0 is the oldest, and the default; last is what comes from now on",
    )
    .option(...jsonFlag)
    .addHelpText(
      "after",
      `
A lost connection is tried again, and nothing is missed or told twice. Ctrl-C ends it.

Examples:
  factory watch me
  factory watch me --after last --json | jq -r 'select(.status == "WAITING") | .worker.name'`,
    )
    .action(
      act(async (parent: string, options: WatchOptions) =>
        (await import("./watch.ts")).watch(parent, options),
      ),
    );
  program
    .command("logs")
    .summary("print what a worker has printed and said")
    .description("Print what a worker has printed and said.")
    .argument(...worker)
    .option("-f, --follow", "go on until the worker ends, over lost connections too")
    .option("--raw", "the text as it is on a terminal too: only for workers that you trust with it")
    .option(...jsonFlag)
    .addHelpText(
      "after",
      `
In a pipe the text is as the worker printed it, as UTF-8: what is none becomes U+FFFD. On a terminal its colours
stay, and what would move the cursor or do more is taken out. With --json: its events, a line each.`,
    )
    .action(
      act(async (name: string, options: LogsOptions) =>
        (await import("./logs.ts")).logs(name, options),
      ),
    );
  program
    .command("diff")
    .summary("show what a worker has changed")
    .description("Show what a worker has changed: its commits and its files as they are.")
    .argument(...worker)
    .option(...jsonFlag)
    .action(
      act(async (name: string, options: JsonOption) =>
        (await import("./diff.ts")).diff(name, options),
      ),
    );
}

function defineDispatch(program: Command, act: Act): void {
  const dispatch = program
    .command("dispatch")
    .summary("give a task to a worker on a branch of its own")
    .description("Give a task to a worker of its own, on a branch of its own.")
    .argument(
      "TASK",
      "the agent's prompt, or the agent shell's command line; - reads standard input",
    )
    .option("--parent <NAME>", "who asks: any name of your choice; inside a worker that worker")
    .option("--repo <OWNER/NAME>", "the repository; inside a worker its own", parseRepository)
    .option("--issue <URL>", "the issue: a number, a key, or a URL that names the repository too")
    .option("--branch <BRANCH>", "the branch to work on; by default one of its own")
    .option("--base <REF>", "what a new branch is made from; by default the fresh default branch")
    .option("--agent <AGENT>", 'who works: "factory agents" lists them; by default claude')
    .option("--priority <N>", "higher runs first; 0 by default", parseWholeNumber)
    .option("--timeout <SECONDS>", "how long it may run; no limit by default", parseWholeNumber)
    .addOption(
      choice("--cleanup <WHEN>", "when its worktree is deleted; work that is nowhere else stays", [
        "keep",
        "on-success",
        "always",
      ]),
    )
    .option("--key <KEY>", "sent again with the same key, it is the same worker")
    .option("--push", "push the branch when the work has succeeded")
    .option("--allow-push", "let the agent push its branch itself, from its sandbox")
    .addOption(
      choice("--permissions <POLICY>", "what the agent's requests for permission meet", [
        "ask",
        "allow",
        "deny",
      ]),
    )
    .option("--max-cost <USD>", "end it when it has cost so much", parseAmount)
    .option("--max-turns <N>", "end it when it has asked its model so often", parseWholeNumber)
    .option(
      "--retries <N>",
      "how often it may start again when its runner is lost",
      parseWholeNumber,
    )
    .addOption(
      choice("--sandbox <WHETHER>", "whether it is started in a sandbox", ["required", "off"]),
    )
    .addOption(
      choice("--network <WHICH>", "what it may reach from its sandbox beside listed hosts", [
        "list",
        "open",
        "none",
      ]),
    )
    .option("--allow-host <HOST...>", "hosts more that it may reach from its sandbox")
    .option("--max-memory <MIB>", "end it when it has more memory", parseWholeNumber)
    .option("--max-cpus <N>", "processors that it may use at a time, such as 0.5", parseAmount)
    .option("--max-processes <N>", "processes and threads that it may have", parseWholeNumber)
    .option("--wait", "wait for its end; the exit code is 0 only where it succeeded")
    .option("--follow", "the same, and print what it prints meanwhile")
    .option(...jsonFlag)
    .addHelpText(
      "after",
      `
Examples:
  factory dispatch "npm ci && npm test" --agent shell --parent ci --repo team/app --branch feat/login --wait
  factory dispatch "Fix the issue. Commit your work." --parent me --issue https://github.com/team/app/issues/42
  factory dispatch - --parent me --repo team/app < task.md

A TASK that begins with a dash comes after "--".`,
    );
  takesText(dispatch, "TASK").action(
    act(async (task: string, options: DispatchOptions) =>
      (await import("./dispatch.ts")).dispatch(task, options),
    ),
  );
}
