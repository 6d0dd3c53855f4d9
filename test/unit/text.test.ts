import { describe, expect, test } from "@jest/globals";
import { FactoryError } from "../../src/errors.ts";
import { checkText, type TextRules } from "../../src/text.ts";

/** What the refusal says; undefined where the text is accepted. */
function refusal(text: string, rules: TextRules): string | undefined {
  try {
    checkText("task", text, rules);
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(FactoryError);
    expect(error).toMatchObject({ code: "BAD_INPUT" });
    return (error as FactoryError).message;
  }
}

const oneLine: TextRules = { longestBytes: 20 };
const lines: TextRules = { longestBytes: 20, lines: true };

describe("checkText", () => {
  test("accepts text of any script up to the limit, which counts bytes", () => {
    for (const text of ["a", "a\tb", "größer", "日本語", "😀😀😀😀😀", "x".repeat(20)]) {
      expect(refusal(text, oneLine)).toBeUndefined();
    }
    expect(refusal("x".repeat(21), oneLine)).toBe("task has 21 bytes: it may have 20 at most");
    expect(refusal("😀".repeat(6), oneLine)).toBe("task has 24 bytes: it may have 20 at most");
  });

  test("refuses what says nothing", () => {
    for (const text of ["", " ", "\t", "\n", "\u00a0\u2003"]) {
      expect(refusal(text, lines)).toBe("task is empty: it must say something");
    }
  });

  test("refuses half of a surrogate pair, and NUL, with lines or without", () => {
    for (const rules of [oneLine, lines]) {
      expect(refusal("a\ud83d", rules)).toContain("half of a surrogate pair");
      expect(refusal("\ude00a", rules)).toContain("half of a surrogate pair");
      expect(refusal("a\0b", rules)).toContain("NUL");
    }
  });

  test("takes line breaks and control characters only where there may be lines", () => {
    for (const character of ["\n", "\r", "\u001b", "\u0001", "\b", "\u000b", "\u001f", "\u007f"]) {
      const text = `a${character}b`;
      expect(refusal(text, oneLine)).toContain("it must be one line of text");
      expect(refusal(text, lines)).toBeUndefined();
    }
  });
});
