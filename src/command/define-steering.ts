// The commands that steer workers, and the one by which a worker reports, as they are typed.
import type { Command } from "commander";
import { choice, parseWorker } from "./parse.ts";
import { takesText } from "./takes-text.ts";
import type { Act } from "./act.ts";
import {
  jsonFlag,
  type AllowOptions,
  type CancelOptions,
  type KeyOption,
  type AnswerOptions,
  type ReportOptions,
} from "./options.ts";

const worker = ["WORKER", "such as worker-17, or 17", parseWorker] as const;

export function defineSteeringCommands(program: Command, act: Act): void {
  program.commandsGroup("Steering:");
  program
    .command("cancel")
    .summary("end a worker")
    .description("End a worker: gently, then by force.")
    .argument(...worker)
    .option("--reason <TEXT>", "why: shown to those who watch it")
    .option("--children", "also all that it dispatched, and what those dispatched")
    .option(...jsonFlag)
    .action(
      act(async (name: string, options: CancelOptions) =>
        (await import("./steer.ts")).cancel(name, options),
      ),
    );
  const send = program
    .command("send")
    .summary("say something to a worker")
    .description("Say something to a worker: its next turn; after its end a new worker goes on.")
    .argument(...worker)
    .argument("TEXT", "what to say")
    .option("--key <KEY>", "sent again with the same key, it is said once")
    .option(...jsonFlag);
  takesText(send, "TEXT").action(
    act(async (name: string, text: string, options: KeyOption) =>
      (await import("./steer.ts")).send(name, text, options),
    ),
  );
  program
    .command("retry")
    .summary("dispatch a worker's task again")
    .description("Dispatch a worker's task again, as a new worker.")
    .argument(...worker)
    .option("--key <KEY>", "sent again with the same key, it is the same worker")
    .option(...jsonFlag)
    .action(
      act(async (name: string, options: KeyOption) =>
        (await import("./steer.ts")).retry(name, options),
      ),
    );
  program
    .command("answer")
    .summary("answer what a worker asks permission for")
    .description(
      "Answer what a worker asks permission for. Without OPTION: list it, and ask in a terminal.",
    )
    .argument(...worker)
    .argument("[OPTION]", "one of the listed, by its number, its name or its id")
    .option("--request <ID>", "which request, where there are several")
    .option(...jsonFlag)
    .action(
      act(async (name: string, option: string | undefined, options: AnswerOptions) =>
        (await import("./answer.ts")).answer(name, option, options),
      ),
    );
  program
    .command("allow")
    .summary("let a worker in a sandbox reach a host")
    .description("Let a worker in a sandbox reach a host, at once while it runs.")
    .argument(...worker)
    .argument("HOST", "such as example.com, *.example.com or git.example.com:8443")
    .option("--repository", "also the workers of its repository that start from now on")
    .option(...jsonFlag)
    .action(
      act(async (name: string, host: string, options: AllowOptions) =>
        (await import("./steer.ts")).allow(name, host, options),
      ),
    );
  const report = program
    .command("report")
    .summary("from inside a worker: tell how it goes")
    .description("From inside a worker: tell the session that asked for the work how it goes.")
    .argument("TEXT", "what to tell")
    .addOption(
      choice("--outcome <OUTCOME>", "what became of the work; the last one told counts", [
        "succeeded",
        "failed",
      ]),
    )
    .option(...jsonFlag)
    .addHelpText("after", '\nA TEXT that begins with a dash comes after "--".');
  takesText(report, "TEXT").action(
    act(async (text: string, options: ReportOptions) =>
      (await import("./report.ts")).report(text, options),
    ),
  );
}
