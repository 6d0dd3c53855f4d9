import { expect, test } from "@jest/globals";
import { assertBoundedJson, parseBoundedJson } from "../../src/bounded-json.ts";

function codeOf(text: string): unknown {
  try {
    assertBoundedJson(text, "the body");
    return undefined;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

test("what is within the bounds is parsed, whatever its strings hold", () => {
  for (const value of [
    null,
    "x",
    { a: [1, { b: "[{,".repeat(50_000) }] },
    { text: String.raw`\"[[[` + '"'.repeat(1_000) + "[".repeat(1_000) },
    ["\\", "[", String.raw`\\\"`, "{".repeat(1_000)],
    Array.from({ length: 10_000 }, (_, index) => index),
  ]) {
    expect(parseBoundedJson(JSON.stringify(value), "the body")).toEqual(value);
  }
});

test("what is nested too deeply, or holds too many values, is refused before it is parsed", () => {
  for (const deep of [
    "[".repeat(65),
    '{"a":'.repeat(600_000),
    '[{"a":'.repeat(33),
    "[[],".repeat(99),
  ]) {
    expect(codeOf(deep)).toBe("BAD_INPUT");
  }
  expect(codeOf("[".repeat(64) + "]".repeat(64))).toBeUndefined();
  for (const many of [
    `[${"1,".repeat(20_000)}1]`,
    `[${"[],".repeat(10_001)}[]]`,
    `{${Array.from({ length: 20_001 }, (_, index) => `"${String(index)}":1`).join()}}`,
  ]) {
    expect(codeOf(many)).toBe("BAD_INPUT");
  }
});

test("what is no JSON is refused, with the place", () => {
  for (const text of ["", "{", '"', '"\\', "[1,]", "]]]]"]) {
    expect(() => parseBoundedJson(text, "the body")).toThrow("the body is not valid JSON: ");
  }
});
