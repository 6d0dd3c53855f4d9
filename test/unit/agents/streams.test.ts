// The lines that headless agents print, as recorded, and what is made of them.
import { describe, expect, test } from "@jest/globals";
import { protocolOf } from "../../../src/agents/protocols.ts";
import type { TalkStart } from "../../../src/agents/talk.ts";
import { linesOf, Talk } from "./captures.ts";

function read(name: string, start: Partial<TalkStart> = {}): Talk {
  return talkWith(name.split("-")[0]!, start).readAll(linesOf(name));
}

function talkWith(agent: string, start: Partial<TalkStart> = {}): Talk {
  const protocol = protocolOf(`${agent}-stream-json`);
  if (protocol === undefined) throw new Error(`no reader for ${agent}`);
  expect(protocol.isSpokenTo).toBe(false);
  return new Talk(protocol, start);
}

const command = 'printf hello > hello.txt && git add -A && git commit -m "add hello"';

describe("a turn that went well", () => {
  test("of claude", () => {
    const talk = read("claude-headless");

    expect(talk.told).toEqual([
      `tool RUNNING execute ${command}`,
      expect.stringContaining('output {"type":"system","subtype":"vcs_state_changed"'),
      expect.stringMatching(/^tool COMPLETED execute .* => \[task cb87ae9\] add hello/),
      "AGENT: Done: the commit is made.",
      "usage 280/60 $0.0021680000000000002",
    ]);
    expect(talk.state).toMatchObject({
      conversationId: "ea56c964-30e5-42f5-9d21-b4e9c9720694",
      turns: 2,
      lastMessage: "Done: the commit is made.",
    });
    expect(talk.conclude(0).succeeded).toBe(true);
  });

  test("of codex", () => {
    const talk = read("codex-headless");

    expect(talk.told).toEqual([
      expect.stringContaining("output "),
      `tool RUNNING execute /bin/bash -lc '${command}'`,
      expect.stringMatching(/^tool COMPLETED execute .* => \[task f6dc057\] add hello/),
      "AGENT: Done: the commit is made.",
      "usage 240/60 $-",
    ]);
    expect(talk.state).toMatchObject({
      conversationId: "01a20619-599d-7643-8462-4cb5d302c7d9",
      turns: 2,
      lastMessage: "Done: the commit is made.",
    });
    expect(talk.conclude(0).succeeded).toBe(true);
  });

  test.each(["gemini-headless", "gemini-headless-norelaunch"])("of %s", (name) => {
    const talk = read(name);

    expect(talk.told).toEqual([
      `tool RUNNING execute ${command}`,
      expect.stringMatching(/^tool COMPLETED execute .* => \[task \w+\] add hello/),
      "AGENT: Done: the commit is made.",
      "usage 240/60 $-",
    ]);
    expect(talk.state.turns).toBe(2);
    expect(talk.conclude(0).succeeded).toBe(true);
  });

  test("of opencode", () => {
    const talk = read("opencode-headless");

    expect(talk.told).toEqual([
      expect.stringMatching(/^tool COMPLETED execute .* => \[task f718c8a\] add hello/),
      "usage 120/30 $0.00016",
      "AGENT: Done: the commit is made.",
      "usage 240/60 $0.00032",
    ]);
    expect(talk.state).toMatchObject({
      conversationId: "ses_df9e69e8dffeCbRQVOd7yRGsoo",
      turns: 2,
    });
    expect(talk.conclude(0).succeeded).toBe(true);
  });
});

const key = "the model's server refused the agent's key or login: check it";
const early = "the agent ended (exit code 0) before its turn did";

describe("a turn that failed, whatever the exit code", () => {
  test.each([
    // Its result's subtype is "success".
    ["claude-headless-401", key, "LOGIN_REQUIRED"],
    ["claude-headless-500", "the agent failed: 500", "OVERLOADED"],
    [
      "claude-headless-noperm",
      "the agent was refused permission once, first for: printf hello",
      null,
    ],
    ["claude-headless-sigterm", early, "AGENT_CRASHED"],
    ["claude-headless-skip", early, "AGENT_CRASHED"],
    ["codex-headless-401", key, "LOGIN_REQUIRED"],
    ["codex-headless-500", "experiencing high demand", "OVERLOADED"],
    ["codex-headless-sigterm", early, "AGENT_CRASHED"],
    ["gemini-headless-401", key, "LOGIN_REQUIRED"],
    ["gemini-headless-500", early, "AGENT_CRASHED"],
    ["gemini-headless-sigterm", early, "AGENT_CRASHED"],
    ["opencode-headless-401", key, "LOGIN_REQUIRED"],
    ["opencode-headless-sigterm", early, "AGENT_CRASHED"],
  ])("%s", (name, reason, failureCode) => {
    expect(read(name).conclude(0)).toEqual({
      succeeded: false,
      failureCode,
      reason: expect.stringContaining(reason),
    });
  });

  test("is none where all is denied, and claude did without", () => {
    expect(read("claude-headless-noperm", { permissions: "DENY" }).conclude(0).succeeded).toBe(
      true,
    );
  });

  test("is not decided by codex' lines of errors, as it tries again", () => {
    const lines = linesOf("codex-headless-401").filter((line) => !line.includes("turn.failed"));
    const talk = talkWith("codex").readAll(lines);

    expect(talk.state.verdict).toBeNull();
    expect(
      talk
        .read('{"type":"turn.completed","usage":{"input_tokens":1,"output_tokens":2}}')
        .conclude(0).succeeded,
    ).toBe(true);
  });
});

describe("claude's result", () => {
  test.each([
    ['{"is_error":false}', true],
    ['{"is_error":false,"subtype":"success"}', true],
    ['{"is_error":false,"subtype":"error_max_turns"}', false],
    ['{"is_error":true,"subtype":"success"}', false],
    ["{}", false],
  ])("%s: succeeded is %s", (said, succeeded) => {
    const line = JSON.stringify({ type: "result", result: "done", ...JSON.parse(said) });
    expect(talkWith("claude").readAll([line]).conclude(0).succeeded).toBe(succeeded);
  });
});

describe("a resumed conversation", () => {
  const usage = { inputTokens: 200, outputTokens: 50, costUsd: 0.002 };
  const resume = { conversationId: "x", promptIfNew: "y", usage };

  test.each([
    // The cost adds up over resumes, and the tokens don't.
    ["claude-headless", { inputTokens: 280, outputTokens: 60, costUsd: expect.closeTo(0.000168) }],
    // All add up.
    ["codex-headless", { inputTokens: 40, outputTokens: 10, costUsd: null }],
    ["gemini-headless", { inputTokens: 240, outputTokens: 60, costUsd: null }],
    ["opencode-headless", { inputTokens: 240, outputTokens: 60, costUsd: 0.00032 }],
  ])("of %s tells what this session used", (name, expected) => {
    expect(read(name, { resume }).state.usage).toEqual(expected);
  });
});

describe("any reader", () => {
  const agents = ["claude", "codex", "gemini", "opencode"];

  test.each(agents)("keeps what it doesn't know as output: %s", (agent) => {
    const lines = ["no JSON", '{"type":"weather","sky":"blue"}', "[1]", "{}", '{"type":'];

    expect(talkWith(agent).readAll(lines).told).toEqual(lines.map((line) => `output ${line}\n`));
  });

  test.each(agents)("never throws, whatever is broken off or left out: %s", (agent) => {
    const lines = linesOf(`${agent}-headless`);
    for (const line of lines) {
      for (let end = 0; end < line.length; end += 7) {
        talkWith(agent).read(line.slice(0, end)).conclude(0);
      }
      for (const [name] of line.matchAll(/"\w+":/g)) {
        for (const value of ["null", "[null]", '"x"', "7", "{}"]) {
          talkWith(agent)
            .read(line.replace(name, `${name}${value},"x":`))
            .conclude(0);
        }
      }
    }
  });
});

test("plain output has no reader, and neither has what nobody knows", () => {
  expect(protocolOf("plain")).toBeUndefined();
  expect(protocolOf("constructor")).toBeUndefined();
  expect(protocolOf("acp")?.isSpokenTo).toBe(true);
});
