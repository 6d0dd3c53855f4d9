// What a command says: results on standard output, everything else on standard error.
import { once } from "node:events";
import { styleText } from "node:util";

export type Style = Parameters<typeof styleText>[0];

/** A result, as a line. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** For people, beside the result. */
export function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** What to do next: for people at a terminal alone. */
export function hint(line: string): void {
  if (isTerminal()) tell(onErrors("dim", line));
}

/** Resolves when the reader has taken what was printed: for what prints without an end. */
export async function untilTaken(): Promise<void> {
  if (process.stdout.writableNeedDrain) await once(process.stdout, "drain");
}

/** One document. */
export function printJson(value: unknown): void {
  say(JSON.stringify(value, undefined, 2));
}

/** One of many, on a line of its own. */
export function printJsonLine(value: unknown): void {
  say(JSON.stringify(value));
}

/** Whether a person reads the results. */
export function isTerminal(): boolean {
  return process.stdout.isTTY;
}

/** Coloured where standard output is a terminal, and NO_COLOR is not set. */
export function styled(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

/** The same for standard error. */
export function onErrors(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stderr });
}
