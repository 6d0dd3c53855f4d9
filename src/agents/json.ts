// Reading what an agent sent: JSON of any shape, of which nothing may be taken for granted.

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The object of that name; an empty one where there is none, so that reading can go on. */
export function objectIn(value: unknown, name: string): JsonObject {
  const found = isObject(value) ? value[name] : undefined;
  return isObject(found) ? found : {};
}

export function listIn(value: unknown, name: string): readonly unknown[] {
  const found = isObject(value) ? value[name] : undefined;
  return Array.isArray(found) ? found : [];
}

export function textIn(value: unknown, name: string): string | undefined {
  const found = isObject(value) ? value[name] : undefined;
  return typeof found === "string" ? found : undefined;
}

export function numberIn(value: unknown, name: string): number | undefined {
  const found = isObject(value) ? value[name] : undefined;
  return typeof found === "number" && Number.isFinite(found) ? found : undefined;
}

/** A number of tokens: whole, and not below zero. */
export function countIn(value: unknown, name: string): number {
  return Math.max(0, Math.round(numberIn(value, name) ?? 0));
}

/** How deep the JSON of an agent may be nested. What is deeper takes long to read, and can't be written again. */
export const deepest = 256;

/** By its brackets alone, outside of strings. */
export function isTooDeep(text: string): boolean {
  if (text.length <= deepest) return false;
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (isInString) {
      if (unit === backslash) at += 1;
      else if (unit === quote) isInString = false;
    } else if (unit === quote) isInString = true;
    else if (unit === brace || unit === bracket) {
      depth += 1;
      if (depth > deepest) return true;
    } else if (unit === brace + 2 || unit === bracket + 2) depth -= 1;
  }
  return false;
}

const [quote, backslash, brace, bracket] = [0x22, 0x5c, 0x7b, 0x5b] as const;

/** undefined: the line is not JSON, JSON of another kind, or nested too deep. */
export function parseObject(line: string): JsonObject | undefined {
  // Most lines that aren't JSON are told apart without the cost of an exception.
  if (!line.startsWith("{") && !line.trimStart().startsWith("{")) return undefined;
  if (isTooDeep(line)) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch {
    // Output of another kind on the same channel: told as such by the caller.
    return undefined;
  }
}
