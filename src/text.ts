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
