// A worker's events as text, as it would have been seen beside the worker.
import { oneLine, plainLines } from "./harmless.ts";
import { isTerminal, styled, tell } from "./print.ts";
import { TerminalFilter } from "./terminal-filter.ts";
import type { PermissionRequest, WorkerEvent } from "./worker-events.ts";

export interface LogPrinterOptions {
  /** Takes no escape sequence out, on a terminal either. */
  readonly isRaw: boolean;
}

export class LogPrinter {
  readonly #filter: TerminalFilter | undefined;
  /** Who printed last: others begin on a line of their own. */
  #voice = "";
  #isLineOpen = false;
  readonly #toolCalls = new Map<string, string>();

  constructor({ isRaw }: LogPrinterOptions) {
    this.#filter = isTerminal() && !isRaw ? new TerminalFilter() : undefined;
  }

  print(event: WorkerEvent): void {
    switch (event.__typename) {
      case "WorkerOutputEvent":
        this.#speak("output", this.#filter?.feed(event.text) ?? event.text);
        break;
      case "WorkerMessageEvent":
        this.#printMessage(event.role, event.text);
        break;
      case "WorkerToolCallEvent":
        this.#printToolCall(event.toolCallId, event.toolCallStatus, event.title);
        break;
      case "WorkerPermissionEvent":
        this.#printBeside(tellRequest(event.request));
        break;
      case "WorkerReportEvent":
        this.#printBeside(
          `→ ${event.outcome === null ? "" : `${event.outcome}: `}${oneLine(event.message)}`,
        );
        break;
      case "WorkerBlockedEvent":
        this.#printBeside(
          `✗ its sandbox refused it ${oneLine(event.host)}:${String(event.port)} ("factory allow WORKER HOST")`,
        );
        break;
      case "WorkerStatusEvent":
      case "WorkerUsageEvent":
        break;
    }
  }

  end(): void {
    process.stdout.write(this.#filter?.end() ?? "");
    // What is printed next, such as a shell's prompt, begins on a line of its own; a pipe gets no byte too many.
    if (isTerminal() && this.#isLineOpen) this.#write("\n");
  }

  #printMessage(role: "USER" | "AGENT" | "THOUGHT", text: string): void {
    const plain = this.#filter === undefined ? text : plainLines(text);
    if (role === "AGENT") this.#speak(role, plain);
    else if (role === "THOUGHT") this.#speak(role, styled("dim", plain));
    else this.#printLine(styled("bold", `> ${plain.trimEnd().replaceAll("\n", "\n> ")}`));
  }

  /** Once when it begins, and once more where it fails. */
  #printToolCall(id: string, status: string, title: string): void {
    const told = this.#toolCalls.get(id);
    if (status === "PENDING" || told === "FAILED") return;
    const isOver = status === "COMPLETED" || status === "FAILED";
    if (told === undefined) this.#printLine(styled("dim", `● ${oneLine(title)}`));
    if (status === "FAILED") this.#printLine(styled("red", `✗ ${oneLine(title)} failed`));
    if (isOver) this.#toolCalls.delete(id);
    else this.#toolCalls.set(id, status);
  }

  /** What the worker did not print: a pipe gets its bytes alone. */
  #printBeside(line: string): void {
    if (isTerminal()) this.#printLine(styled("cyan", line));
    else tell(line);
  }

  #printLine(line: string): void {
    this.#voice = "line";
    this.#write(`${this.#isLineOpen ? "\n" : ""}${line}\n`);
  }

  #speak(voice: string, text: string): void {
    if (text === "") return;
    if (voice !== this.#voice && this.#isLineOpen) this.#write("\n");
    this.#voice = voice;
    this.#write(text);
  }

  #write(text: string): void {
    if (text === "") return;
    process.stdout.write(text);
    this.#isLineOpen = !text.endsWith("\n");
  }
}

function tellRequest({ title, command, answer, options }: PermissionRequest): string {
  const isOther = command !== null && command !== title;
  if (answer === null) {
    return `? ${oneLine(title)}${isOther ? `\n  ${oneLine(command)}` : ""}`;
  }
  const chosen = options.find(({ id }) => id === answer)?.name ?? answer;
  return `? ${oneLine(title)}: ${oneLine(chosen)}`;
}
