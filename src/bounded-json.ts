// JSON from outside. What it would make is looked at before it is made: a few megabytes can hold millions of
// values, or a nesting on which whatever goes through it by recursion ends.
import { FactoryError } from "./errors.ts";

const maxDepth = 64;
const maxValues = 20_000;

const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;
const openingBracket = 0x5b;
const closingBracket = 0x5d;
const openingBrace = 0x7b;
const closingBrace = 0x7d;

/**
 * @param what for the message: what is parsed, such as "the body"
 * @throws FactoryError BAD_INPUT
 */
export function parseBoundedJson(text: string, what: string): unknown {
  assertBoundedJson(text, what);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new FactoryError("BAD_INPUT", `${what} is not valid JSON: ${why}`, { cause: error });
  }
}

/**
 * Takes time by the text's length alone, and next to no memory. Text that is no JSON may pass.
 * @throws FactoryError BAD_INPUT
 */
export function assertBoundedJson(text: string, what: string): void {
  let depth = 0;
  let values = 1;
  for (let index = 0; index < text.length; index += 1) {
    switch (text.charCodeAt(index)) {
      case quote:
        index = endOfString(text, index);
        break;
      case comma:
        values += 1;
        break;
      case openingBracket:
      case openingBrace:
        depth += 1;
        values += 1;
        break;
      case closingBracket:
      case closingBrace:
        depth -= 1;
        break;
      default:
    }
    if (depth > maxDepth)
      throw tooLarge(`${what} is nested deeper than ${String(maxDepth)} levels`);
    if (values > maxValues) throw tooLarge(`${what} holds more than ${String(maxValues)} values`);
  }
}

/** The index of the closing quote; that of the text's end where there is none. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === backslash) backslashes += 1;
    if (backslashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  return text.length;
}

function tooLarge(message: string): FactoryError {
  return new FactoryError("BAD_INPUT", `${message}: send less, or in several requests`);
}
