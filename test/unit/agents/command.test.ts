import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startContext } from "../../support/start-context.ts";
import type { AgentStart, StartContext } from "../../../src/agents/definition.ts";
import { createAgentRegistry } from "../../../src/agents/registry.ts";

const registry = createAgentRegistry({ file: undefined, path: "", isRoot: false });

/** The last of an agent's ways is its headless one. */
function startOf(name: string, given: Partial<StartContext>): AgentStart {
  const way = registry.get(name).ways.at(-1)!;
  return way.start(
    startContext({
      gitDir: '/repositories/a "b".git',
      worktree: "/worktrees/x",
      ...given,
    }),
  );
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
  // More than the system takes in one argument.
  "x".repeat(1_000_000),
];

describe("a headless agent's start line", () => {
  let bin: string;

  beforeAll(() => {
    bin = mkdtempSync(path.join(os.tmpdir(), "factory-command-"));
    // Stands for each agent: prints what it was given, on standard input and as arguments.
    const program = `#!${process.execPath}
const { readFileSync } = require("node:fs");
console.log(JSON.stringify({ input: readFileSync(0, "utf8"), args: process.argv.slice(2), env: process.env }));
`;
    for (const name of ["claude", "codex", "gemini", "opencode"]) {
      writeFileSync(path.join(bin, name), program);
      chmodSync(path.join(bin, name), 0o755);
    }
  });

  afterAll(() => {
    rmSync(bin, { recursive: true });
  });

  function start(
    name: string,
    given: Partial<StartContext>,
  ): { input: string; args: string[]; env: Record<string, string> } {
    const { command, files, env } = startOf(name, { temporary: bin, ...given });
    for (const [file, content] of Object.entries(files ?? {})) writeFileSync(file, content);
    const [program, ...args] = command;
    const output = execFileSync(program!, args, {
      env: { PATH: `${bin}:/usr/bin:/bin`, ...env },
      encoding: "utf8",
      timeout: 20_000,
      maxBuffer: 10_000_000,
    });
    return JSON.parse(output) as { input: string; args: string[]; env: Record<string, string> };
  }

  test.each(["claude", "codex", "gemini", "opencode"])("gives %s the task as it stands", (name) => {
    for (const task of tasks) {
      const { input, args } = start(name, { task, prompt: task });

      expect(input).toBe(`${task}\n`);
      expect(args).toEqual(start(name, { task: "another task" }).args);
    }
  });

  test("lets codex write to the git folders that lie outside of its worktree", () => {
    const { args } = start("codex", {});

    expect(args).toContain(
      String.raw`sandbox_workspace_write.writable_roots=["/repositories/a \"b\".git"]`,
    );
  });

  test("asks each for lines of JSON, and where all is allowed for no permissions", () => {
    expect(start("claude", {}).args.join(" ")).toBe(
      "--print --output-format stream-json --verbose --permission-mode bypassPermissions",
    );
    expect(start("codex", {}).args.join(" ")).toMatch(
      /^exec --json --sandbox workspace-write --config approval_policy="never" .* -$/,
    );
    expect(start("gemini", {}).args.join(" ")).toBe(
      "--output-format stream-json --approval-mode yolo",
    );
    expect(start("opencode", {}).args.join(" ")).toBe("run --format json");
    expect(start("opencode", {}).env["OPENCODE_PERMISSION"]).toBe('{"*":"allow"}');
  });

  test("bypasses nothing where not all is allowed", () => {
    for (const permissions of ["ASK", "DENY"] as const) {
      expect(start("claude", { permissions }).args.join(" ")).toMatch(/--permission-mode default$/);
      expect(start("codex", { permissions }).args.join(" ")).not.toMatch(/network_access/);
      expect(start("gemini", { permissions }).args.join(" ")).toMatch(/--approval-mode default$/);
      expect(start("opencode", { permissions }).env["OPENCODE_PERMISSION"]).toMatch(
        /^{"\*":"ask",/,
      );
    }
  });

  test("resumes a conversation", () => {
    const resume = { conversationId: "abc-1", promptIfNew: "x" };

    expect(start("claude", { resume }).args.join(" ")).toMatch(/ --resume abc-1$/);
    expect(start("codex", { resume }).args.join(" ")).toMatch(/^exec --json .* resume abc-1 -$/);
    expect(start("gemini", { resume }).args.join(" ")).toMatch(/ --resume abc-1$/);
    expect(start("opencode", { resume }).args.join(" ")).toMatch(/ -s abc-1$/);
  });

  test("tells each of the MCP servers, with their tokens in no argument", () => {
    const server = {
      name: "factory",
      url: "http://127.0.0.1:4000/mcp",
      headers: { Authorization: "Bearer hush-hush" },
    };
    for (const name of ["claude", "codex", "gemini", "opencode"]) {
      const { command, env, files } = startOf(name, { mcpServers: [server] });

      expect(command.join(" ")).not.toContain("hush-hush");
      expect(JSON.stringify([env, files])).toContain("hush-hush");
      expect(JSON.stringify([command, env, files])).toContain(server.url);
    }
  });

  test("keeps what the user's own variable says of opencode", () => {
    const mcpServers = [{ name: "factory", url: "http://x/mcp", headers: {} }];
    const contentOf = (own: string) =>
      startOf("opencode", { mcpServers, environment: { OPENCODE_CONFIG_CONTENT: own } }).env![
        "OPENCODE_CONFIG_CONTENT"
      ];

    expect(JSON.parse(contentOf('{"model":"a/b","mcp":{"own":{}}}')!)).toMatchObject({
      model: "a/b",
      mcp: { own: {}, factory: { url: "http://x/mcp" } },
    });
    expect(contentOf('{ /* a comment */ "model": "a/b" }')).toBeUndefined();
  });
});

describe("the agent shell", () => {
  function run(task: string): string {
    const [program, ...args] = startOf("shell", { task }).command;
    return execFileSync(program!, args, { encoding: "utf8", timeout: 20_000 });
  }

  test("runs the task as a command line", () => {
    expect(run("printf '%s|' \"$((1 + 1))\" 'a b'\nprintf last")).toBe("2|a b|last");
  });

  test("takes a task that begins with a dash for no option", () => {
    expect(run("-x() { printf 'a function'; }; -x")).toBe("a function");
  });
});
