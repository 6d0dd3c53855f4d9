// How values are shown, and how they are read.
import { describe, expect, test } from "@jest/globals";
import { span } from "../../../src/command/age.ts";
import { oneLine, plainLines } from "../../../src/command/harmless.ts";
import {
  parseAmount,
  parseRepository,
  parseWholeNumber,
  parseWorker,
} from "../../../src/command/parse.ts";
import { drawTable } from "../../../src/command/table.ts";

test.each([
  [0, "0s"],
  [59, "59s"],
  [60, "1m"],
  [3_599, "59m"],
  [3_600, "1h"],
  [2 * 3_600 + 5 * 60, "2h5m"],
  [10 * 3_600 + 5 * 60, "10h"],
  [86_400 + 3_600, "1d1h"],
  [40 * 86_400, "40d"],
  // The clocks of two machines differ.
  [-3, "0s"],
])("%d seconds are %s", (seconds, expected) => {
  const now = Date.now();
  expect(span(new Date(now - seconds * 1_000).toISOString(), now)).toBe(expected);
});

describe("what others wrote", () => {
  const wild = "a\u001b[31mb\u001b]0;t\u0007\r\n\tc\u0000\u202ed\u2028e\u009b2J";

  test("is one line of plain text in a table", () => {
    expect(oneLine(wild)).toBe("ab c\ufffdd e");
    expect(oneLine("\n\n  \n")).toBe("");
  });

  test("keeps its lines where it has some", () => {
    expect(plainLines(wild)).toBe("ab\n\tc\ufffdd\u2028e");
  });
});

describe("a table", () => {
  const columns = [
    { title: "NAME", text: ({ name }: Row) => name },
    { title: "BRANCH", text: ({ branch }: Row) => branch, least: 6 },
    { title: "TASK", text: ({ task }: Row) => task, least: 8 },
  ];
  interface Row {
    readonly name: string;
    readonly branch: string;
    readonly task: string | null;
  }
  const draw = (rows: readonly Row[], width?: number) => drawTable(columns, rows, width);
  const row = (task: string | null, branch = "main") => ({ name: "worker-1", branch, task });

  test("is as wide as what is in it, without spaces at the ends of its lines", async () => {
    expect(await draw([row("test"), { name: "w", branch: "a", task: null }])).toEqual([
      "NAME      BRANCH  TASK",
      "worker-1  main    test",
      "w         a",
    ]);
  });

  test("is cut where it may be, the widest column first, and never below what it needs", async () => {
    const rows = [row("t".repeat(50), "b".repeat(20))];
    expect(await draw(rows, 50)).toEqual([
      "NAME      BRANCH               TASK",
      `worker-1  ${"b".repeat(18)}…  ${"t".repeat(18)}…`,
    ]);
    expect((await draw(rows, 70))[1]).toBe(`worker-1  ${"b".repeat(20)}  ${"t".repeat(37)}…`);
    expect((await draw(rows, 30))[1]).toBe("worker-1  bbbbbbbb…  tttttttt…");
    expect((await draw(rows, 5))[1]).toBe("worker-1  bbbbb…  ttttttt…");
  });

  test("counts the columns of wide characters", async () => {
    const lines = await draw([row("x", "日本語"), row("y", "abc")]);
    expect(lines[1]).toBe("worker-1  日本語  x");
    expect(lines[2]).toBe("worker-1  abc     y");
  });

  test("of many rows is one table, although it is drawn in parts", async () => {
    const rows = Array.from({ length: 5_000 }, (_, index) => ({
      ...row("x"),
      name: `worker-${String(index)}`,
    }));
    const lines = await draw(rows);
    expect(lines).toHaveLength(5_001);
    expect(new Set(lines.map((line) => line.search(/main|BRANCH/)))).toEqual(new Set([13]));
  });
});

describe("what is typed", () => {
  test("names a repository, or is told how", () => {
    expect(parseRepository("a/b")).toEqual({ owner: "a", name: "b" });
    for (const wrong of ["a", "a/b/c", "/b", "a/", ""]) {
      expect(() => parseRepository(wrong)).toThrow("It must be OWNER/NAME, such as");
    }
    for (const url of [
      "https://h.org/a/b",
      "https://h.org/a/b.git",
      "git@h.org:a/b.git",
      "https://h.org/a/b/",
    ]) {
      expect(() => parseRepository(url)).toThrow("It must be OWNER/NAME: a/b;");
    }
  });

  test("is a number, or is told so", () => {
    expect(["0", "-3", "+4"].map(parseWholeNumber)).toEqual([0, -3, 4]);
    expect(["2", "2.50", ".5"].map(parseAmount)).toEqual([2, 2.5, 0.5]);
    for (const wrong of ["", "x", "1.5", "1e3"])
      expect(() => parseWholeNumber(wrong)).toThrow("whole");
    for (const wrong of ["", "x", "-1", "1.", "Infinity"])
      expect(() => parseAmount(wrong)).toThrow("number");
    expect(["17", "worker-17", "V29y"].map(parseWorker)).toEqual([
      "worker-17",
      "worker-17",
      "V29y",
    ]);
  });
});
