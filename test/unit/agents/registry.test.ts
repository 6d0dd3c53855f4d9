import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { createAgentRegistry, type AgentRegistry } from "../../../src/agents/registry.ts";
import { FactoryError } from "../../../src/errors.ts";

let folder: string;
let bin: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "factory-agents-"));
  bin = path.join(folder, "bin");
  mkdirSync(bin);
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function addProgram(name: string, mode = 0o755): string {
  const file = path.join(bin, name);
  writeFileSync(file, "#!/bin/sh\n");
  chmodSync(file, mode);
  return file;
}

function open(agents?: unknown, searchPath = bin): AgentRegistry {
  let file: string | undefined;
  if (agents !== undefined) {
    file = path.join(folder, "agents.json");
    writeFileSync(file, JSON.stringify({ agents }));
  }
  return createAgentRegistry({ file, path: searchPath, isRoot: false });
}

function failureOf(act: () => unknown): FactoryError {
  try {
    act();
  } catch (error) {
    if (error instanceof FactoryError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

function listed(registry: AgentRegistry, name: string) {
  const found = registry.list().find((agent) => agent.name === name);
  if (found === undefined) throw new Error(`${name} is not listed`);
  return found;
}

describe("the list of agents", () => {
  test("holds the built-in ones first, then the file's", () => {
    const registry = open({ echo: { command: ["echo"], protocol: "plain" } });

    expect(registry.list().map((agent) => agent.name)).toEqual([
      "claude",
      "codex",
      "gemini",
      "opencode",
      "shell",
      "echo",
    ]);
  });

  test("says of a missing program what to install, and nothing of the server's folders", () => {
    const reason = listed(open(), "codex").unavailableReason;

    expect(reason).toContain('"codex"');
    expect(reason).toContain("npm install -g @openai/codex");
    expect(reason).toContain("PATH");
    expect(reason).not.toContain(bin);
  });

  test("has an agent available whose program is in PATH, or a link to it", () => {
    symlinkSync(addProgram("real"), path.join(bin, "gemini"));

    expect(listed(open(), "gemini")).toMatchObject({
      name: "gemini",
      available: true,
      unavailableReason: null,
      protocol: "acp",
    });
  });

  test("takes no folder and no file that can't be run for a program", () => {
    mkdirSync(path.join(bin, "claude"));
    addProgram("codex", 0o644);
    const registry = open();

    expect(listed(registry, "claude").available).toBe(false);
    expect(listed(registry, "codex").available).toBe(false);
  });

  test("looks into no relative folder of PATH, as that would be the worktree's", () => {
    addProgram("claude");
    const relative = path.relative(process.cwd(), bin);

    expect(listed(open(undefined, `:.:${relative}`), "claude").available).toBe(false);
    expect(listed(open(undefined, `:.:${bin}`), "claude").available).toBe(true);
  });

  test("knows a program of the file by its absolute path", () => {
    const file = addProgram("mine");
    const registry = open({
      mine: { command: [file], protocol: "plain" },
      gone: { command: [`${file}-gone`], protocol: "plain" },
    });

    expect(listed(registry, "mine").available).toBe(true);
    expect(listed(registry, "gone").unavailableReason).toContain(`${file}-gone`);
  });

  test("names both programs of an agent of which neither is installed", () => {
    const reason = listed(open(), "claude").unavailableReason;

    expect(reason).toContain('"claude-agent-acp" or "claude"');
    expect(reason).toContain("npm install -g @agentclientprotocol/claude-agent-acp");
    expect(reason).toContain("npm install -g @anthropic-ai/claude-code");
  });
});

describe("asking for an agent", () => {
  test("fails with the known names where there is no such agent", () => {
    const failure = failureOf(() => open().get("cluade"));

    expect(failure.code).toBe("AGENT_UNKNOWN");
    expect(failure.message).toContain('"cluade"');
    expect(failure.message).toContain("claude, codex, gemini, opencode, shell");
  });

  test("fails for names that every object has", () => {
    expect(failureOf(() => open().get("constructor")).code).toBe("AGENT_UNKNOWN");
    expect(failureOf(() => open().get("__proto__")).code).toBe("AGENT_UNKNOWN");
  });

  test("gives one that isn't installed, but not where it must be available", () => {
    const registry = open();

    expect(registry.get("opencode").name).toBe("opencode");
    const failure = failureOf(() => registry.requireAvailable("opencode"));
    expect(failure.code).toBe("AGENT_UNAVAILABLE");
    expect(failure.message).toContain("npm install -g opencode-ai");
  });

  test("gives an available one", () => {
    addProgram("bash");

    expect(open().requireAvailable("shell").way.protocol).toBe("plain");
  });

  test("takes the headless command line where the adapter isn't installed", () => {
    addProgram("codex");
    expect(open().requireAvailable("codex").way.protocol).toBe("codex-stream-json");

    addProgram("codex-acp");
    expect(open().requireAvailable("codex").way.protocol).toBe("acp");
  });

  test("takes an agent of the file that speaks ACP", () => {
    addProgram("goose");
    const registry = open({ goose: { command: ["goose", "acp"], protocol: "acp" } });

    expect(registry.requireAvailable("goose").way.protocol).toBe("acp");
  });
});
