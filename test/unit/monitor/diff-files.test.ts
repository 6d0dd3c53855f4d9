import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdtempSync,
  mkdirSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { readFiles, type DiffFile } from "../../../src/monitor/pages/worker/changes/diff-files.ts";

let folder: string;
let diff: string;

const git = (...args: string[]) =>
  execFileSync("git", args, {
    cwd: folder,
    encoding: "utf8",
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: folder,
      GIT_AUTHOR_NAME: "Ada",
      GIT_AUTHOR_EMAIL: "ada@example.org",
      GIT_COMMITTER_NAME: "Ada",
      GIT_COMMITTER_EMAIL: "ada@example.org",
    },
  });
const write = (name: string, content: string | Buffer) =>
  writeFileSync(join(folder, name), content);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "factory-diff-"));
  git("init", "-q");
  mkdirSync(join(folder, "with space"));
  write("changed.txt", "one\ntwo\nthree\n");
  write("with space/old name.txt", "a\n".repeat(50));
  write("with space/same name.txt", "s\n");
  write("moved away.txt", "b\n".repeat(50));
  write("gone.txt", "x\ny\n");
  write("mode.sh", "#!/bin/sh\n");
  write('quote".txt', "q\n");
  write("picture.png", Buffer.from([0, 1, 2, 3]));
  git("add", "-A");
  git("commit", "-qm", "Begin");
  write("changed.txt", "one\n--- two\n+++ more\ndiff --git a/x b/x\nthree\n");
  renameSync(join(folder, "with space/old name.txt"), join(folder, "with space/new name.txt"));
  write("with space/new name.txt", `${"a\n".repeat(50)}z\n`);
  write("with space/same name.txt", "S\n");
  renameSync(join(folder, "moved away.txt"), join(folder, "moved here.txt"));
  unlinkSync(join(folder, "gone.txt"));
  chmodSync(join(folder, "mode.sh"), 0o755);
  write('quote".txt', "Q\n");
  write("picture.png", Buffer.from([0, 9, 9]));
  write("grün\tTab.txt", "neu\n");
  write("new and empty file", "");
  git("add", "-A");
  diff = git("diff", "--cached", "--find-renames");
});

afterAll(() => rmSync(folder, { recursive: true }));

describe("a diff of git's, file by file", () => {
  test("tells paths of any kind, what became of each file, and its lines", () => {
    const files = Object.fromEntries(
      readFiles(diff, false).map(({ path, text: _text, ...rest }) => [path, rest]),
    );
    const plain = { isBinary: false, modes: undefined, insertions: 0, deletions: 0 };
    const same = (path: string, more: Partial<DiffFile>) => ({
      [path]: { ...plain, oldPath: path, kind: "changed", ...more },
    });
    expect(files).toEqual({
      ...same("changed.txt", { insertions: 3, deletions: 1 }),
      ...same("gone.txt", { kind: "deleted", deletions: 2 }),
      ...same("grün\tTab.txt", { kind: "new", insertions: 1 }),
      ...same("mode.sh", { modes: ["100644", "100755"] }),
      ...same("moved here.txt", { kind: "renamed", oldPath: "moved away.txt" }),
      ...same("new and empty file", { kind: "new" }),
      ...same("picture.png", { isBinary: true }),
      ...same('quote".txt', { insertions: 1, deletions: 1 }),
      ...same("with space/same name.txt", { insertions: 1, deletions: 1 }),
      ...same("with space/new name.txt", {
        kind: "renamed",
        oldPath: "with space/old name.txt",
        insertions: 1,
      }),
    });
  });

  test("may be cut anywhere", () => {
    for (let length = 0; length < diff.length; length += 7) {
      const files = readFiles(diff.slice(0, length), true);
      expect(files.map(({ text }) => text).join("")).toBe(
        diff.slice(0, diff.lastIndexOf("\n", length - 1) + 1),
      );
    }
    expect(readFiles("", false)).toEqual([]);
  });
});
