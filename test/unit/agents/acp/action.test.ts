import { describe, expect, test } from "@jest/globals";
import { readAction } from "../../../../src/agents/acp/action.ts";

describe("what a tool call will do", () => {
  test.each([
    [{ command: "git push" }, "git push"],
    [{ command: ["bash", "-lc", "npm test && it's fine"] }, `bash -lc 'npm test && it'\\''s fine'`],
    [{ command: "git", args: ["push", "--force"] }, "git push --force"],
    [{ command: "" }, ""],
    [{ command: 7 }, null],
    [{ command: {} }, null],
    [{ args: ["x"] }, null],
    [undefined, null],
    ["rm -rf /", null],
    [{ command: "echo \u202egnp.exe\u0007" }, "echo \uFFFDgnp.exe\uFFFD"],
  ])("of the arguments %j runs %j", (rawInput, command) => {
    expect(readAction({ rawInput })).toEqual({ command, kind: null, locations: [], diff: null });
  });

  test("is at the places that it names, else where it writes", () => {
    const content = [{ type: "diff", path: "/w/b", oldText: null, newText: "b\n" }];
    const locations = [{ path: "/w/a", line: 4 }, { path: "/w/a" }, { line: 1 }, "/w/x", null];
    expect(readAction({ locations, content }).locations).toEqual(["/w/a:4", "/w/a"]);
    expect(readAction({ locations: [], content }).locations).toEqual(["/w/b"]);
    const many = Array.from({ length: 60 }, (_, at) => ({ path: String(at) }));
    expect(readAction({ locations: many }).locations.slice(-2)).toEqual(["49", "and 10 more"]);
  });

  test.each([
    ["a new file", null, "a\nb\n", "--- /dev/null\n+++ f\n@@ -0,0 +1,2 @@\n+a\n+b"],
    ["a file that goes", "a\n", "", "--- f\n+++ f\n@@ -1,1 +0,0 @@\n-a"],
    [
      "a line",
      "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
      "1\n2\n3\n4\nV\n6\n7\n8\n9\n",
      "--- f\n+++ f\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+V\n 6\n 7\n 8",
    ],
    ["lines at the end", "a\n", "a\na\n", "--- f\n+++ f\n@@ -1,1 +1,2 @@\n a\n+a"],
  ])("shows %s as a unified diff", (_what, oldText, newText, diff) => {
    expect(readAction({ content: [{ type: "diff", path: "f", oldText, newText }] }).diff).toBe(
      diff,
    );
  });

  test("is what it said before, where it doesn't say it again", () => {
    const before = readAction({
      kind: "execute",
      rawInput: { command: "ls" },
      locations: [{ path: "a" }],
    });
    expect(readAction({}, before)).toEqual(before);
    expect(readAction({ rawInput: { command: "rm" } }, before)).toEqual({
      ...before,
      command: "rm",
    });
  });

  test("is cut, and says so", () => {
    const { command, diff } = readAction({
      rawInput: { command: "x".repeat(100_000) },
      content: [{ type: "diff", path: "f", oldText: null, newText: "y\n".repeat(200_000) }],
    });
    expect(command?.length).toBeLessThan(8_100);
    expect(command).toMatch(/more characters\]$/);
    expect(diff?.length).toBeLessThan(66_000);
  });
});
