import { FactoryError } from "./errors.ts";

export interface TextRules {
  readonly longestBytes: number;
  /** Whether it may have several lines; control characters other than tabs are refused without. */
  readonly lines?: boolean;
}

/** @throws FactoryError BAD_INPUT that names the field and what it may be. */
export function checkText(field: string, text: string, rules: TextRules): void {
  const fault = findFault(text, rules);
  if (fault !== undefined) throw new FactoryError("BAD_INPUT", `${field} ${fault}`);
}

function findFault(text: string, { longestBytes, lines = false }: TextRules): string | undefined {
  if (text.trim() === "") return "is empty: it must say something";
  const bytes = Buffer.byteLength(text);
  if (bytes > longestBytes) {
    return `has ${String(bytes)} bytes: it may have ${String(longestBytes)} at most`;
  }
  if (!text.isWellFormed()) return "holds half of a surrogate pair: it must be valid Unicode";
  // Postgres can't store NUL, and no program can be given it as an argument.
  if (text.includes("\0")) return "holds a NUL character, which it may not";
  // eslint-disable-next-line no-control-regex -- finding control characters is the purpose
  if (!lines && /[\u0001-\u0008\u000a-\u001f\u007f]/.test(text)) {
    return "holds a line break or another control character: it must be one line of text";
  }
  return undefined;
}

/** Characters. Longer text is cut where it is stored; jsonb can't hold a string of 256 MiB, no column one of 1 GiB. */
const longestStoredText = 16 * 1024 * 1024;

/** As Postgres can hold it: NUL and halves of surrogate pairs become U+FFFD, and what is too long is cut. */
export function toStorableText(text: string): string {
  const kept = text.length > longestStoredText ? text.slice(0, longestStoredText) : text;
  return kept.toWellFormed().replaceAll("\0", "\uFFFD");
}

/** JSON whose strings, names included, are so; they may hold NUL and halves of surrogate pairs as escapes. */
export function toStorableJson(json: string): string {
  if (json.length <= longestStoredText && !/\\u(?:0000|d[89a-f])/i.test(json)) return json;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    // No JSON: whoever expects it as such says so better.
    if (error instanceof SyntaxError) return json;
    throw error;
  }
  return JSON.stringify(toStorableValue(value));
}

function toStorableValue(value: unknown): unknown {
  if (typeof value === "string") return toStorableText(value);
  if (Array.isArray(value)) return value.map(toStorableValue);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, part]) => [toStorableText(name), toStorableValue(part)]),
  );
}

/** At most so many; none of two halves that make one character is left behind. */
export function firstCharacters(text: string, most: number): string {
  if (text.length <= most) return text;
  const last = text.charCodeAt(most - 1);
  const isHalf = last >= 0xd800 && last <= 0xdbff;
  return text.slice(0, isHalf ? most - 1 : most);
}
