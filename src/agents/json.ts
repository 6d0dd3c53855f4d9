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

/** undefined: the line is not JSON, or JSON of another kind. */
export function parseObject(line: string): JsonObject | undefined {
  // Most lines that aren't JSON are told apart without the cost of an exception.
  if (!line.startsWith("{") && !line.trimStart().startsWith("{")) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch {
    // Output of another kind on the same channel: told as such by the caller.
    return undefined;
  }
}
