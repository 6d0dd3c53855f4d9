// A git before the real one on the server's PATH, which does something beside at a command of a test's choice.
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { readIfThere } from "../../src/git/files.ts";

export interface GitWrapper {
  /** For the server's environment. */
  readonly path: string;
  /** A folder for what the scripts leave. */
  readonly folder: string;
  /**
   * From here on that command of git runs the script instead; `real` in it is git. $PPID is the server. With
   * `once`, only the next such command does.
   */
  set(command: string, script: string, options?: { readonly once?: boolean }): Promise<void>;
  /** Lines that the scripts wrote to $LOG. */
  readLog(): Promise<string[]>;
  dispose(): Promise<void>;
}

export async function createGitWrapper(): Promise<GitWrapper> {
  const folder = await mkdtemp(join(tmpdir(), "factory-git-wrapper-"));
  const { stdout } = await promisify(execFile)("git", ["--exec-path"]);
  const real = join(stdout.trim(), "git");
  const log = join(folder, "log");
  await writeFile(log, "");
  await writeFile(
    join(folder, "git"),
    `#!/bin/sh
real() { '${real}' "$@"; }
LOG='${log}'
FOLDER='${folder}'
script="$FOLDER/at-$1"
[ -e "$script.once" ] && mv "$script.once" "$script.$$" 2>/dev/null && script="$script.$$"
[ -e "$script" ] && . "$script"
exec '${real}' "$@"
`,
    { mode: 0o755 },
  );
  return {
    path: `${folder}:${process.env["PATH"] ?? ""}`,
    folder,
    set: (command, script, { once = false } = {}) =>
      writeFile(join(folder, `at-${command}${once ? ".once" : ""}`), script),
    async readLog() {
      return ((await readIfThere(log)) ?? "").split("\n").filter((line) => line !== "");
    },
    dispose: () => rm(folder, { recursive: true, force: true }),
  };
}
