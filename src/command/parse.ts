// The values that people type, as the API takes them.
import { InvalidArgumentError, Option } from "commander";
import { largestInt } from "../largest-int.ts";

export interface RepositoryName {
  readonly owner: string;
  readonly name: string;
}

/** The end of a remote's address, of either form. */
const address = /^(?:\w+:\/\/[^/]+\/|[^@\s/]+@[^:\s/]+:)([^/\s]+)\/([^/\s]+?)(?:\.git)?\/?$/;

/** OWNER/NAME. */
export function parseRepository(text: string): RepositoryName {
  const [, ownerOfUrl, nameOfUrl] = address.exec(text) ?? [];
  if (ownerOfUrl !== undefined && nameOfUrl !== undefined) {
    throw new InvalidArgumentError(
      `It must be OWNER/NAME: ${ownerOfUrl}/${nameOfUrl}; "factory clone" takes the address as --url.`,
    );
  }
  const [owner = "", name = "", ...rest] = text.split("/");
  if (owner !== "" && name !== "" && rest.length === 0) return { owner, name };
  throw new InvalidArgumentError("It must be OWNER/NAME, such as octocat/Hello-World.");
}

/** worker-17, or just 17. */
export function parseWorker(text: string): string {
  return /^\d+$/.test(text) ? `worker-${text}` : text;
}

/** What it may be in each place, the server says. */
export function parseWholeNumber(text: string): number {
  const number = Number(text);
  if (!/^[+-]?\d+$/.test(text) || Math.abs(number) > largestInt) {
    throw new InvalidArgumentError(
      `It must be a whole number, from -${String(largestInt)} to ${String(largestInt)}.`,
    );
  }
  return number;
}

export function parseAmount(text: string): number {
  if (!/^\d*\.?\d+$/.test(text))
    throw new InvalidArgumentError("It must be a number, such as 2.50.");
  return Number(text);
}

/** An option that takes one of some words, in the API's spelling afterwards: on-success is ON_SUCCESS. */
export function choice(flags: string, description: string, words: readonly string[]): Option {
  return new Option(flags, description).choices(words).argParser((text) => spell(text, words));
}

/** The same with several words, with commas between. */
export function choices(flags: string, description: string, words: readonly string[]): Option {
  return new Option(flags, description)
    .choices(words)
    .argParser((text) => text.split(",").map((word) => spell(word.trim(), words)));
}

function spell(text: string, words: readonly string[]): string {
  const word = text.toLowerCase().replaceAll("_", "-");
  if (words.includes(word)) return word.toUpperCase().replaceAll("-", "_");
  const all = [words.slice(0, -1).join(", "), words.at(-1)].join(" or ");
  throw new InvalidArgumentError(`It may be ${all}.`);
}
