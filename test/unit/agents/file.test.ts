import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { AgentDefinition } from "../../../src/agents/definition.ts";
import { createAgentRegistry, type AgentRegistry } from "../../../src/agents/registry.ts";
import { startContext } from "../../support/start-context.ts";
import { ConfigError } from "../../../src/config-error.ts";

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "factory-agents-file-"));
  file = path.join(folder, "agents.json");
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function open(content: unknown): AgentRegistry {
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return createAgentRegistry({ file, path: "", isRoot: false });
}

function mistakesOf(content: unknown): string[] {
  try {
    open(content);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const start = `FACTORY_AGENTS, ${file}: `;
    return error.message.split("\n").map((line) => {
      if (!line.startsWith(start)) throw new Error(`a line that doesn't name the file: ${line}`);
      return line.slice(start.length);
    });
  }
  throw new Error("the file was accepted");
}

function commandOf(agent: AgentDefinition, task: string): string[] {
  return [...agent.ways[0]!.start(startContext({ task })).command];
}

describe("a file of agents", () => {
  test("adds agents of every protocol", () => {
    const protocols = [
      "plain",
      "acp",
      "claude-stream-json",
      "codex-stream-json",
      "gemini-stream-json",
      "opencode-stream-json",
    ];
    const registry = open({
      agents: Object.fromEntries(
        protocols.map((protocol) => [`my-${protocol}`, { command: ["x"], protocol }]),
      ),
    });

    for (const protocol of protocols) {
      expect(registry.get(`my-${protocol}`).ways.map((way) => way.protocol)).toEqual([protocol]);
    }
  });

  test("puts the task literally into every place that asks for it", () => {
    const agent = open({
      agents: {
        a: {
          command: ["run", "--task={task}", "{task}/{task}", "$FACTORY_TASK"],
          protocol: "plain",
        },
      },
    }).get("a");
    const task = "$& $1 $$ $` \"double\" 'single' {task}\nnext line";

    expect(commandOf(agent, task)).toEqual([
      "run",
      `--task=${task}`,
      `${task}/${task}`,
      "$FACTORY_TASK",
    ]);
  });

  test("names the variables that the worker gets", () => {
    const agent = open({
      agents: { a: { command: ["a"], protocol: "plain", env: ["MY_KEY"] } },
    }).get("a");

    expect(agent.environmentNames).toEqual(["MY_KEY"]);
    expect(agent.fixedEnvironment).toEqual({});
  });

  test("replaces a built-in agent, of which nothing stays", () => {
    const agent = open({ agents: { claude: { command: ["mine"], protocol: "plain" } } }).get(
      "claude",
    );

    expect(agent.ways.map(({ program, protocol }) => [program, protocol])).toEqual([
      ["mine", "plain"],
    ]);
    expect(agent.environmentNames).toEqual([]);
    expect(agent.fixedEnvironment).toEqual({});
  });

  test("adds variables to a built-in agent where it gives no command", () => {
    const agent = open({ agents: { claude: { env: ["HTTPS_PROXY"] } } }).get("claude");

    expect(agent.ways.map(({ program }) => program)).toEqual(["claude-agent-acp", "claude"]);
    expect(agent.environmentNames).toEqual(
      expect.arrayContaining(["ANTHROPIC_API_KEY", "HTTPS_PROXY"]),
    );
  });

  test("chooses among the ways of a built-in agent where it gives a protocol alone", () => {
    const agent = open({ agents: { codex: { protocol: "codex-stream-json" } } }).get("codex");

    expect(agent.ways.map(({ program }) => program)).toEqual(["codex"]);
    expect(agent.environmentNames).toContain("CODEX_API_KEY");
  });

  test("gives the prompt in place of the task to all but plain agents", () => {
    const registry = open({
      agents: {
        plain: { command: ["a", "{task}"], protocol: "plain" },
        json: { command: ["a", "{task}"], protocol: "claude-stream-json" },
      },
    });
    const context = startContext({ task: "the task", prompt: "the prompt" });
    const resume = { conversationId: "c", promptIfNew: "it was about this" };
    const last = (name: string, given = context) =>
      registry.get(name).ways[0]!.start(given).command.at(-1);

    expect(last("plain")).toBe("the task");
    expect(last("json")).toBe("the prompt");
    // Its start line knows no way to resume.
    expect(last("json", { ...context, resume })).toBe("it was about this");
  });
});

describe("a mistake in the file", () => {
  test("is named with the others, each with its place", () => {
    expect(
      mistakesOf({
        agents: {
          a: { command: [], protocol: "plain" },
          b: { command: ["b", 7], protocol: "telepathy" },
          c: { command: ["c"] },
          d: { protocol: "plain" },
          e: { command: ["e"], protocol: "plain", env: ["1X", "FACTORY_TOKEN"], shell: true },
          "Bad Name": { command: ["f"], protocol: "plain" },
        },
      }),
    ).toEqual([
      expect.stringMatching(/^agents\.a\.command\b/),
      expect.stringMatching(/^agents\.b\.command\[1\] must be a string$/),
      expect.stringMatching(/^agents\.b\.protocol must be one of plain, acp, /),
      expect.stringMatching(/^agents\.c\.protocol must be one of /),
      expect.stringMatching(/^agents\.d\.command must be the program and its arguments/),
      expect.stringMatching(/^agents\.d\.protocol needs a command beside it$/),
      expect.stringMatching(/^agents\.e\.env\[0\] must be the name of a variable/),
      expect.stringMatching(/^agents\.e\.env\[1\] is set by Factory itself/),
      expect.stringMatching(/^agents\.e has unknown "shell"$/),
      expect.stringMatching(/^agents\."Bad Name" must have a name of/),
    ]);
  });

  test.each([
    ["a file that isn't there", undefined, /can't be read: .*ENOENT/],
    ["a file that isn't JSON", "{agents", /is not JSON: /],
    ["a list", [], /must be an object like \{"agents"/],
    ["no agents", {}, /^agents must be an object/],
    ["another key", { agents: {}, agent: {} }, /^has unknown "agent"$/],
    ["an agent that is text", { agents: { a: "a" } }, /^agents\.a must be an object like/],
    [
      "a command that is text",
      { agents: { a: { command: "a b", protocol: "plain" } } },
      /^agents\.a\.command must be the program and its arguments/,
    ],
    [
      "a relative program",
      { agents: { a: { command: ["./a"], protocol: "plain" } } },
      /^agents\.a\.command\[0\] must be a program's name/,
    ],
    [
      "a task for a program",
      { agents: { a: { command: ["{task}"], protocol: "plain" } } },
      /^agents\.a\.command\[0\] must not depend on the task/,
    ],
    [
      "an empty program",
      { agents: { a: { command: [""], protocol: "plain" } } },
      /^agents\.a\.command\[0\] must name a program/,
    ],
    [
      "a NUL",
      { agents: { a: { command: ["a", "\0"], protocol: "plain" } } },
      /^agents\.a\.command\[1\] must not hold a NUL/,
    ],
    [
      "env that is text",
      { agents: { a: { command: ["a"], protocol: "plain", env: "X" } } },
      /^agents\.a\.env must be a list/,
    ],
  ])("%s is refused", (_what, content, message) => {
    if (content === undefined) {
      expect(() => createAgentRegistry({ file, path: "", isRoot: false })).toThrow(message);
      return;
    }
    const mistakes = mistakesOf(content);
    expect(mistakes).toHaveLength(1);
    expect(mistakes[0]).toMatch(message);
  });
});
