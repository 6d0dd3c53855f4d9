// What statements are given, made fit for Postgres in one place, so that no column can be forgotten.
import { toStorableJson, toStorableText } from "../text.ts";

/** The values of a statement's parameters. Which of them are JSON, a cast in the statement says: $1::jsonb. */
export function toStorableValues(sql: string, values: readonly unknown[]): unknown[] {
  return values.map((value, index) => {
    if (typeof value === "string") {
      const asJson = toStorableJson(value);
      const asText = toStorableText(value);
      if (asJson === value && asText === value) return value;
      return isJsonParameter(sql, index + 1) ? asJson : asText;
    }
    if (Array.isArray(value)) return value.map(toStorableElement);
    return isPlainObject(value) ? toStorableJson(JSON.stringify(value)) : value;
  });
}

function isJsonParameter(sql: string, number: number): boolean {
  return new RegExp(`\\$${String(number)}(?:::text)?::jsonb?\\b`, "i").test(sql);
}

function toStorableElement(element: unknown): unknown {
  if (Array.isArray(element)) return element.map(toStorableElement);
  return typeof element === "string" ? toStorableText(element) : element;
}

/** pg sends such an object as JSON; dates, bytes and what says itself how it is sent are no such objects. */
function isPlainObject(value: unknown): value is object {
  return (
    typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype
  );
}
