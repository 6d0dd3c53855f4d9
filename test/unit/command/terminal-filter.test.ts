import { describe, expect, test } from "@jest/globals";
import { TerminalFilter } from "../../../src/command/terminal-filter.ts";

const esc = "\u001b";

function filter(...pieces: readonly string[]): string {
  const one = new TerminalFilter();
  return pieces.map((piece) => one.feed(piece)).join("");
}

describe("a worker's output for a terminal", () => {
  test.each([
    ["text, line breaks and tabs", "a\tb\r\nc é 日本 😀", "a\tb\r\nc é 日本 😀"],
    ["colours", `${esc}[1;38;2;1;2;3mx${esc}[0m`, `${esc}[1;38;2;1;2;3mx${esc}[0m`],
    ["the erasure of a line, as progress bars do it", `10%\r${esc}[K20%`, `10%\r${esc}[K20%`],
  ])("keeps %s", (_what, text, expected) => {
    expect(filter(text)).toBe(expected);
  });

  test.each([
    ["a title", `a${esc}]0;title\u0007b`, "ab"],
    ["a title with the other end", `a${esc}]2;title${esc}\\b`, "ab"],
    ["the clipboard", `a${esc}]52;c;aGk=\u0007b`, "ab"],
    ["device control", `a${esc}Pq#0${esc}\\b`, "ab"],
    ["an application's command", `a${esc}_G;x${esc}\\b`, "ab"],
    ["the cursor", `a${esc}[5A${esc}[2J${esc}[10;10Hb`, "ab"],
    ["private modes", `a${esc}[?1049h${esc}[?25lb`, "ab"],
    ["colours that are none", `a${esc}[>4;1mb${esc}[?1mc`, "abc"],
    ["questions to the terminal", `a${esc}[6n${esc}[cb`, "ab"],
    ["sequences of two", `a${esc}cb${esc}(0c${esc}7d`, "abcd"],
    ["C1 controls", "a\u009b2Jb\u009dc\u0090d", "a2Jbcd"],
    ["other controls", "a\u0000\u0007\b\u000e\u007fb", "ab"],
  ])("takes out %s", (_what, text, expected) => {
    expect(filter(text)).toBe(expected);
  });

  test("knows a sequence that comes in any pieces", () => {
    const text = `a${esc}]0;title${esc}\\${esc}[31mred${esc}[0m${esc}[2Jb`;
    for (let index = 0; index <= text.length; index += 1) {
      expect(filter(text.slice(0, index), text.slice(index))).toBe(`a${esc}[31mred${esc}[0mb`);
    }
    expect(filter(...Array.from(text))).toBe(`a${esc}[31mred${esc}[0mb`);
  });

  test("loses no line behind a sequence that nobody ends", () => {
    expect(filter(`a${esc}]0;never\nb`)).toBe("a\nb");
    expect(filter(`a${esc}[12`, "\nb")).toBe("a\nb");
    expect(filter(`a${esc}[${"1;".repeat(1_000)}mb`)).not.toContain("1;1");
  });

  test("takes the last colour away at the end, where there was one", () => {
    const coloured = new TerminalFilter();
    coloured.feed(`${esc}[31mred`);
    expect(coloured.end()).toBe(`${esc}[0m`);
    expect(new TerminalFilter().end()).toBe("");
  });
});
