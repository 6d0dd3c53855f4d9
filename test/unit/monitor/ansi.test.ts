import { describe, expect, test } from "@jest/globals";
import { plainLook, plainText, readRuns } from "../../../src/monitor/pages/worker/stream/ansi.ts";

const escape = "\u001b";
const runsOf = (raw: string) => readRuns(raw, plainLook).runs;

describe("terminal escapes in a line", () => {
  test.each([
    [
      "a link",
      `${escape}]8;;http://evil.test${escape}\\click${escape}]8;;${escape}\\ here`,
      "click here",
    ],
    ["a title", `${escape}]0;owned\u0007still here`, "still here"],
    ["a clipboard write", `${escape}]52;c;ZXZpbA==\u0007a`, "a"],
    ["a cursor that moves", `one${escape}[2A${escape}[10Dtwo${escape}[K`, "onetwo"],
    ["a device control string", `${escape}P1$r0m${escape}\\x`, "x"],
    ["eight-bit introducers", "\u009b31mred\u009d0;title\u009c!", "red!"],
    ["another character set", `${escape}(0line${escape}(B`, "line"],
    ["bells, backspaces and NUL", "a\u0007b\u0008c\u0000d\u007f", "abcd"],
    ["an escape that never ends", `text ${escape}]8;;http://evil.test`, "text "],
    ["tabs, which stay", "a\tb", "a\tb"],
  ])("leave out %s", (_what, raw, text) => {
    expect(plainText(raw)).toBe(text);
    expect(
      runsOf(raw)
        .map((run) => run.text)
        .join(""),
    ).toBe(text);
  });

  test("give colours, until they are taken back", () => {
    const named = (index: number) => ({ kind: "named", index });
    expect(
      runsOf(`${escape}[1;31mbad${escape}[0m and ${escape}[92;44mgood${escape}[39;49m.`),
    ).toEqual([
      { text: "bad", look: { ...plainLook, isBold: true, colour: named(1) } },
      { text: " and ", look: plainLook },
      { text: "good", look: { ...plainLook, colour: named(10), ground: named(4) } },
      { text: ".", look: plainLook },
    ]);
  });

  test.each([
    ["38;5;9", { kind: "named", index: 9 }],
    ["38;5;208", { kind: "rgb", css: "rgb(255 135 0)" }],
    ["38;5;244", { kind: "rgb", css: "rgb(128 128 128)" }],
    ["38;2;1;2;3", { kind: "rgb", css: "rgb(1 2 3)" }],
    ["38:2::1:2:3", { kind: "rgb", css: "rgb(1 2 3)" }],
    ["38;2;999;2;3", undefined],
    ["38;5;300", undefined],
    ["38;2;1", undefined],
  ])("know the colour %s", (codes, colour) => {
    expect(runsOf(`${escape}[${codes}mx`)).toEqual([{ text: "x", look: { ...plainLook, colour } }]);
  });

  test("after a colour of many numbers the next code counts again", () => {
    expect(runsOf(`${escape}[38;2;1;2;3;4mx`)[0]?.look).toMatchObject({
      colour: { css: "rgb(1 2 3)" },
      isUnderlined: true,
    });
  });

  test("of any bytes no control character is left", () => {
    let seed = 7;
    const random = (most: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed % most;
    };
    for (let round = 0; round < 500; round += 1) {
      const raw = Array.from({ length: 60 }, () =>
        random(3) === 0 ? String.fromCharCode(random(160)) : `${escape}[;m]8\\P`.charAt(random(8)),
      ).join("");
      expect(plainText(raw)).not.toMatch(/[^\P{Cc}\t]/u);
      expect(
        runsOf(raw)
          .map((run) => run.text)
          .join(""),
      ).toBe(plainText(raw));
    }
  });
});
