import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { createAgentRegistry } from "../../../src/agents/registry.ts";

const registry = createAgentRegistry({ file: undefined, path: "", isRoot: false });

function commandOf(name: string, task: string): string[] {
  return registry.get(name).command({
    task,
    gitDir: '/repositories/a "b".git',
    worktreeGitDir: '/repositories/a "b".git/worktrees/x',
    worktree: "/worktrees/x",
  });
}

/** Tasks that a start line could trip over, each for a reason of its own. */
const tasks = [
  "--help",
  "-",
  "plain words",
  "\"double\" 'single' `date` $(date) ${HOME} $HOME $& $1 $$ \\n \\\\ \\",
  "first\nEND\nTASK\n$task\nlast",
  "leading\n\n  and trailing space \n\n",
  "*? [a] {a,b} ~ ; rm -rf / & | > <",
  "Umlaut ä, 漢字, 🏭",
  "x".repeat(100_000),
];

describe("a headless agent's start line", () => {
  let bin: string;

  beforeAll(() => {
    bin = mkdtempSync(path.join(os.tmpdir(), "factory-command-"));
    // Stands for each agent: prints what it was given, on standard input and as arguments.
    const program = `#!${process.execPath}
const { readFileSync } = require("node:fs");
console.log(JSON.stringify({ input: readFileSync(0, "utf8"), args: process.argv.slice(2) }));
`;
    for (const name of ["claude", "codex", "gemini", "opencode"]) {
      writeFileSync(path.join(bin, name), program);
      chmodSync(path.join(bin, name), 0o755);
    }
  });

  afterAll(() => {
    rmSync(bin, { recursive: true });
  });

  function start(name: string, task: string): { input: string; args: string[] } {
    const [program, ...args] = commandOf(name, task);
    const output = execFileSync(program!, args, {
      env: { PATH: `${bin}:/usr/bin:/bin` },
      encoding: "utf8",
      timeout: 20_000,
    });
    return JSON.parse(output) as { input: string; args: string[] };
  }

  test.each(["claude", "codex", "gemini", "opencode"])("gives %s the task as it stands", (name) => {
    for (const task of tasks) {
      const { input, args } = start(name, task);

      expect(input).toBe(`${task}\n`);
      expect(args).toEqual(start(name, "another task").args);
    }
  });

  test("lets codex write to the git folders that lie outside of its worktree", () => {
    const { args } = start("codex", "x");

    expect(args).toContain(
      String.raw`sandbox_workspace_write.writable_roots=["/repositories/a \"b\".git","/repositories/a \"b\".git/worktrees/x"]`,
    );
  });

  test("asks each for lines of JSON, and for no permissions", () => {
    expect(start("claude", "x").args.join(" ")).toBe(
      "--print --output-format stream-json --verbose --permission-mode bypassPermissions",
    );
    expect(start("codex", "x").args.join(" ")).toMatch(
      /^exec --json --sandbox workspace-write --config approval_policy="never" .* -$/,
    );
    expect(start("gemini", "x").args.join(" ")).toBe(
      "--output-format stream-json --approval-mode yolo",
    );
    expect(start("opencode", "x").args.join(" ")).toBe("run --format json");
  });
});

describe("the agent shell", () => {
  function run(task: string): string {
    const [program, ...args] = commandOf("shell", task);
    return execFileSync(program!, args, { encoding: "utf8", timeout: 20_000 });
  }

  test("runs the task as a command line", () => {
    expect(run("printf '%s|' \"$((1 + 1))\" 'a b'\nprintf last")).toBe("2|a b|last");
  });

  test("takes a task that begins with a dash for no option", () => {
    expect(run("-x() { printf 'a function'; }; -x")).toBe("a function");
  });
});
