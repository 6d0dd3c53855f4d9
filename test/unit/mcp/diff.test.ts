import { expect, test } from "@jest/globals";
import { cutDiff, mostDiffCharacters } from "../../../src/mcp/diff.ts";

function section(path: string, added: number): string {
  return [
    `diff --git a/${path} b/${path}`,
    "index 1111111..2222222 100644",
    `--- a/${path}`,
    `+++ b/${path}`,
    `@@ -1,2 +1,${String(added + 1)} @@`,
    "-before",
    " kept",
    ...Array.from({ length: added }, (_, line) => `+line ${String(line)}`),
    "",
  ].join("\n");
}

const binary = `diff --git a/pictures/a.png b/pictures/a.png
index 1111111..2222222 100644
Binary files a/pictures/a.png and b/pictures/a.png differ
`;
const deleted = `diff --git a/old.txt b/old.txt
deleted file mode 100644
--- a/old.txt
+++ /dev/null
@@ -1 +0,0 @@
-gone
`;
// A line of a file that looks like a header has a sign before it.
const tricky = section("src/tricky.ts", 2)
  .replace("+line 0", "++++ b/other.ts")
  .replace("+line 1", "+diff --git a/other.ts b/other.ts");
const diff = [section("src/a.ts", 3), binary, deleted, tricky].join("");

test("a short diff is told whole, with its files", () => {
  expect(cutDiff(diff, {})).toEqual({
    text: diff,
    next: null,
    files: [
      { path: "src/a.ts", insertions: 3, deletions: 1 },
      { path: "pictures/a.png", insertions: 0, deletions: 0 },
      { path: "old.txt", insertions: 0, deletions: 1 },
      { path: "src/tricky.ts", insertions: 2, deletions: 1 },
    ],
  });
});

test("a path chooses a file, or what is below a folder, and no namesake", () => {
  expect(cutDiff(diff, { path: "old.txt" }).text).toBe(deleted);
  for (const path of ["src", "src/", "./src"]) {
    expect(cutDiff(diff, { path }).text).toBe(section("src/a.ts", 3) + tricky);
  }
  for (const path of ["sr", "src/a", "other.ts", "nothing"]) {
    expect(cutDiff(diff, { path })).toEqual({ text: "", next: null, files: [] });
  }
});

test("a long diff comes in pieces, cut at line ends, that make up the whole", () => {
  const long = section("src/long.ts", 10_000);
  let text = "";
  let offset: number | null = 0;
  let pieces = 0;
  while (offset !== null) {
    const piece = cutDiff(long, { offset });
    expect(piece.text.length).toBeLessThanOrEqual(mostDiffCharacters);
    expect(piece.text.endsWith("\n")).toBe(true);
    text += piece.text;
    offset = piece.next;
    pieces += 1;
  }
  expect(text).toBe(long);
  expect(pieces).toBeGreaterThan(5);
  expect(cutDiff(long, { offset: long.length + 5 })).toMatchObject({ text: "", next: null });
});

test("one endless line is cut too", () => {
  const long = `${section("a", 0)}+${"x".repeat(3 * mostDiffCharacters)}`;
  const { text, next } = cutDiff(long, { offset: 200 });
  expect(text.length).toBe(mostDiffCharacters);
  expect(next).toBe(200 + mostDiffCharacters);
});
