// What the real agents said over the protocol, and what is said to them.
import { describe, expect, test } from "@jest/globals";
import { acp } from "../../../../src/agents/acp/protocol.ts";
import type { TalkStart } from "../../../../src/agents/talk.ts";
import { conversationOf, Talk, type Captured } from "../captures.ts";

/**
 * Lets a talk meet what an agent said once. The client of then sent other ids, and set modes of its own
 * choice: answers go to the request of the same method, and a mode that it didn't set is granted.
 */
function replay(name: string, start: Partial<TalkStart> = {}, from = 0, to = Infinity) {
  const captured = conversationOf(name).slice(from, to);
  const talk = new Talk(acp, { worktree: `/home/dev/${name}/wt`, ...start });
  const methods = new Map<string, string>();
  const ours = new Map<string, string | number>();
  const said: { method: string; params: unknown }[] = [];
  const answers: unknown[] = [];

  function listen(): void {
    for (const { id, method, params, result } of talk.takeSent()) {
      if (method === undefined) {
        answers.push(result?.["outcome"]);
        continue;
      }
      said.push({ method, params });
      if (id !== undefined) ours.set(method, id);
      const wasSet = captured.some(({ message }) => message.method === "session/set_mode");
      if (method === "session/set_mode" && !wasSet) talk.say({ id, result: {} });
    }
    if (talk.sent.length > 0) listen();
  }

  listen();
  for (const { direction, message, line } of captured) {
    if (direction === ">") {
      if (message.method !== undefined && message.id !== undefined) {
        methods.set(String(message.id), message.method);
      }
      continue;
    }
    const isResponse = message.method === undefined;
    const id = isResponse ? ours.get(methods.get(String(message.id)) ?? "") : undefined;
    if (!isResponse) talk.read(line);
    else if (id !== undefined) talk.say({ ...message, id });
    listen();
  }
  return { talk, said, answers, captured };
}

function sentThen(captured: readonly Captured[], method: string): unknown {
  return captured.find((one) => one.direction === ">" && one.message.method === method)?.message
    .params;
}

const commit = 'printf hello > hello.txt && git add -A && git commit -m "add hello"';
const prompt = "Add the greeting file and commit it.";

describe("what is sent to an agent", () => {
  test.each(["claude-acp", "codex-acp", "gemini-acp", "opencode-acp"])(
    "is what %s took once",
    (name) => {
      const { said, captured, talk } = replay(name, { prompt });

      for (const method of ["session/new", "session/prompt"]) {
        expect(said.find((one) => one.method === method)?.params).toEqual(
          sentThen(captured, method),
        );
      }
      expect(said[0]).toMatchObject({
        method: "initialize",
        params: { protocolVersion: 1, clientCapabilities: { terminal: false } },
      });
      expect(talk.state).toMatchObject({ phase: "idle", verdict: { succeeded: true } });
    },
  );

  test.each([
    ["claude-acp", "ALLOW", "default"],
    ["claude-acp", "DENY", "default"],
    ["codex-acp", "ALLOW", "agent-full-access"],
    ["codex-acp", "ASK", "workspace-write"],
    ["gemini-acp", "ALLOW", undefined],
    ["opencode-acp", "ALLOW", undefined],
  ] as const)("sets the mode of %s for %s", (name, permissions, mode) => {
    const { said } = replay(name, { permissions });
    const params = said.find(({ method }) => method === "session/set_mode")?.params;

    expect(params).toEqual(
      mode === undefined ? undefined : expect.objectContaining({ modeId: mode }),
    );
  });

  test.each(["claude-acp-load", "codex-acp-load", "gemini-acp-load", "opencode-acp-load"])(
    "resumes the conversation of %s, whose history is not told again",
    (name) => {
      const all = conversationOf(name);
      const second = all.findLastIndex(({ message }) => message.method === "initialize");
      const load = all.find(({ message }) => message.method === "session/load")!.message.params!;
      const worktree = String(load["cwd"]);
      const resume = { conversationId: String(load["sessionId"]), promptIfNew: "x" };
      const { talk, said } = replay(name, { resume, worktree, prompt }, second);

      expect(said.find(({ method }) => method === "session/load")?.params).toEqual(load);
      expect(talk.told.join("\n")).not.toContain("tail -f");
      expect(talk.told).toContain("AGENT: Done: the commit is made.");
      expect(talk.state).toMatchObject({
        conversationId: load["sessionId"],
        verdict: { succeeded: true },
      });
    },
  );
});

describe("what an agent did", () => {
  test("is told of claude in order", () => {
    const { talk, answers } = replay("claude-acp");

    expect(talk.told).toEqual([
      "tool PENDING execute Terminal",
      `tool PENDING execute ${commit}`,
      expect.stringMatching(/^permission .*: allow-once$/),
      expect.stringMatching(/^tool COMPLETED execute .* => ```console\n\[task 5114663\] add hello/),
      "AGENT: Done: the commit is made.",
      "usage 0/0 $0.0032520000000000005",
      "usage 280/60 $0.0032520000000000005",
    ]);
    expect(answers).toEqual([{ outcome: "selected", optionId: "allow-once" }]);
    expect(talk.state).toMatchObject({ turns: 2, lastMessage: "Done: the commit is made." });
  });

  test("is told of codex in order", () => {
    expect(replay("codex-acp").talk.told).toEqual([
      // Its program's word, and none of the model's.
      expect.stringMatching(/^output Warning: Model metadata/),
      `tool RUNNING execute ${commit}`,
      expect.stringMatching(/^tool COMPLETED execute .* => \[task 3e49b84\] add hello/),
      "AGENT: Done: the commit is made.",
      "usage 240/60 $-",
    ]);
  });

  test("is told of gemini in order", () => {
    expect(replay("gemini-acp").talk.told).toEqual([
      expect.stringMatching(/^permission .*: proceed_once$/),
      `tool COMPLETED execute ${commit}`,
      "AGENT: Done: the commit is made.",
      "usage 240/60 $-",
    ]);
  });

  test("is told of opencode in order", () => {
    expect(replay("opencode-acp-ask").talk.told).toEqual([
      "tool PENDING execute bash",
      `tool RUNNING execute ${commit}`,
      expect.stringMatching(/^permission .*: once$/),
      expect.stringMatching(/^tool RUNNING execute .* => \[task 0d4dd3e\] add hello/),
      expect.stringMatching(/^tool COMPLETED execute .* => \[task 0d4dd3e\] add hello/),
      "AGENT: Done: the commit is made.",
      "usage 0/0 $0.00032",
      "usage 120/30 $0.00032",
    ]);
  });

  test("adds up over the turns of a session", () => {
    const conversation = conversationOf("claude-acp-cancel");
    const second = conversation.findLastIndex(({ message }) => message.method === "session/prompt");
    const { talk } = replay("claude-acp-cancel", {}, 0, second);
    expect(talk.state.verdict).toMatchObject({
      succeeded: false,
      reason: "the turn was cancelled",
    });
    expect(talk.state.usage).toEqual({
      inputTokens: 140,
      outputTokens: 30,
      costUsd: 0.0021680000000000002,
    });

    talk.ask({ kind: "message", text: "again" });
    const [request] = talk.takeSent();
    for (const { direction, message, line } of conversation.slice(second)) {
      if (direction === ">") continue;
      if (message.method === undefined) talk.say({ ...message, id: request!.id });
      else talk.read(line);
    }

    expect(talk.state.verdict?.succeeded).toBe(true);
    expect(talk.state.usage).toEqual({ inputTokens: 420, outputTokens: 90, costUsd: 0.00542 });
  });

  test.each(["claude-acp", "gemini-acp-reject", "opencode-acp-reject", "codex-acp-reject"])(
    "is refused where the policy says so: %s",
    (name) => {
      const { talk, answers } = replay(name, { permissions: "DENY" });

      expect(talk.told.join("\n")).toMatch(/permission .*: (reject|cancel)\n/);
      expect(answers).toEqual([{ outcome: "selected", optionId: expect.any(String) }]);
    },
  );

  test("fails where codex gives up on being refused", () => {
    expect(replay("codex-acp-reject", { permissions: "DENY" }).talk.conclude()).toMatchObject({
      succeeded: false,
      reason: `the agent gave up when it was refused: ${commit}`,
    });
  });
});

const key = "the model's server refused the agent's key or login: check it";

test.each([
  ["claude-acp-401", key, "LOGIN_REQUIRED"],
  ["codex-acp-401", key, "LOGIN_REQUIRED"],
  ["gemini-acp-401", key, "LOGIN_REQUIRED"],
  ["opencode-acp-401", key, "LOGIN_REQUIRED"],
  ["claude-acp-500", "the agent failed: API Error: 500", "OVERLOADED"],
  // It ends the turn as if all were well.
  ["codex-acp-500", "the agent failed: We’re currently experiencing high demand", "OVERLOADED"],
  // It didn't answer.
  ["gemini-acp-500", "the agent ended (exit code 0) before its turn did", "AGENT_CRASHED"],
])("a failure of %s is told as such", (name, reason, failureCode) => {
  expect(replay(name).talk.conclude()).toEqual({
    succeeded: false,
    failureCode,
    reason: expect.stringContaining(reason),
  });
});
