// By which codes failures are told apart, from what each program says.
import { describe, expect, test } from "@jest/globals";
import { acp } from "../../../src/agents/acp/protocol.ts";
import type { AcpState } from "../../../src/agents/acp/state.ts";
import { claudeStream } from "../../../src/agents/claude/stream.ts";
import { codexStream } from "../../../src/agents/codex/stream.ts";
import { geminiStream } from "../../../src/agents/gemini/stream.ts";
import { noticeIn } from "../../../src/agents/notice.ts";
import { opencodeStream } from "../../../src/agents/opencode/stream.ts";
import type { TalkState } from "../../../src/agents/talk.ts";
import { Talk } from "./captures.ts";

/** A conversation over the protocol whose first turn goes on. */
function busy(agent = "scripted"): Talk {
  const result = { protocolVersion: 1, agentInfo: { name: agent }, agentCapabilities: {} };
  return new Talk(acp).say({ id: 0, result }).say({ id: 1, result: { sessionId: "s" } });
}

function update(talk: Talk, what: object): Talk {
  return talk.say({ method: "session/update", params: { sessionId: "s", update: what } });
}

function say(talk: Talk, text: string, more: object = {}): Talk {
  const content = { type: "text", text };
  return update(talk, { sessionUpdate: "agent_message_chunk", content, ...more });
}

const ended = { id: 2, result: { stopReason: "end_turn" } };

describe("over the protocol", () => {
  test.each([
    [
      {
        code: -32603,
        message: "Internal error: API Error: 529 overloaded",
        data: { errorKind: "overloaded" },
      },
      "OVERLOADED",
    ],
    [
      {
        code: -32603,
        message: "Internal error: You've hit your limit · resets 3pm (UTC)",
        data: { errorKind: "rate_limit" },
      },
      "USAGE_LIMIT",
    ],
    [
      {
        code: -32603,
        message:
          "Internal error: API Error: Request rejected (429) · this may be a temporary capacity issue, not your usage limit",
        data: { errorKind: "rate_limit" },
      },
      "RATE_LIMITED",
    ],
    [
      { code: -32603, message: "Internal error", data: { errorKind: "billing_error" } },
      "USAGE_LIMIT",
    ],
    [
      { code: -32603, message: "Internal error", data: { errorKind: "model_not_found" } },
      "MODEL_UNKNOWN",
    ],
    [
      { code: -32603, message: "Prompt is too long", data: { errorKind: "invalid_request" } },
      "CONTEXT_EXHAUSTED",
    ],
    [
      {
        code: -32603,
        message: "Internal error",
        data: {
          message: "You've hit your usage limit. Try again at 7 PM.",
          codexErrorInfo: "usageLimitExceeded",
        },
      },
      "USAGE_LIMIT",
    ],
    [
      {
        code: -32603,
        message: "Internal error",
        data: { message: "Slow down.", codexErrorInfo: "rateLimitExceeded" },
      },
      "RATE_LIMITED",
    ],
    [
      {
        code: -32603,
        message: "Internal error",
        data: { message: "Full.", codexErrorInfo: "contextWindowExceeded" },
      },
      "CONTEXT_EXHAUSTED",
    ],
    [
      {
        code: -32603,
        message: "Internal error",
        data: {
          message: "It broke off.",
          codexErrorInfo: { responseStreamDisconnected: { httpStatusCode: 503 } },
        },
      },
      "OVERLOADED",
    ],
    [
      {
        code: -32603,
        message: "Internal error",
        data: { message: "No.", codexErrorInfo: { httpConnectionFailed: { httpStatusCode: 429 } } },
      },
      "RATE_LIMITED",
    ],
    [
      {
        code: -32603,
        message: "Internal error",
        data: { message: "No.", codexErrorInfo: "badRequest" },
      },
      null,
    ],
    [{ code: 429, message: "You have exhausted your daily quota on this model." }, "USAGE_LIMIT"],
    [{ code: 429, message: "Resource has been exhausted" }, "RATE_LIMITED"],
    [
      { code: 500, message: '{"error":{"code":503,"status":"UNAVAILABLE","message":"busy"}}' },
      "OVERLOADED",
    ],
    [
      { code: 404, message: "models/gemini-9 is not found for API version v1beta" },
      "MODEL_UNKNOWN",
    ],
    [
      {
        code: -32603,
        message: "Internal error",
        data: { errorName: "ProviderModelNotFoundError" },
      },
      "MODEL_UNKNOWN",
    ],
    [{ code: -32000, message: "Authentication required" }, "LOGIN_REQUIRED"],
    [{ code: -32603, message: "the editor is gone" }, null],
  ])("%j: %s", (error, failureCode) => {
    expect(busy().say({ id: 2, error }).conclude()).toMatchObject({
      succeeded: false,
      failureCode,
    });
  });

  test("codex' own words are the reason", () => {
    const data = { message: "You've hit your usage limit.", codexErrorInfo: "usageLimitExceeded" };
    const error = { code: -32603, message: "Internal error", data };
    expect(busy("codex").say({ id: 2, error }).conclude().reason).toBe(
      "the agent failed: You've hit your usage limit.",
    );
  });

  test("a full conversation of codex ends its turn as if all were well", () => {
    const talk = busy("codex");
    update(talk, {
      sessionUpdate: "session_info_update",
      _meta: { codex: { threadStatus: { type: "systemError" } } },
    });
    say(talk, "Codex ran out of room in the model's context window. Start a new thread.\n\n");
    expect(talk.say(ended).conclude()).toMatchObject({
      succeeded: false,
      failureCode: "CONTEXT_EXHAUSTED",
      reason: expect.stringContaining("ran out of room"),
    });
  });

  test.each([
    ["max_tokens", "CONTEXT_EXHAUSTED"],
    ["refusal", null],
  ])("the stop reason %s is no success", (stopReason, failureCode) => {
    const talk = say(busy(), "So far.").say({ id: 2, result: { stopReason } });
    expect(talk.conclude()).toMatchObject({ succeeded: false, failureCode });
  });

  test("a turn without a word, a tool or tokens is no success", () => {
    expect(busy().say(ended).conclude()).toMatchObject({
      succeeded: false,
      reason: "the agent ended its turn without a word, a tool call or any use of the model",
    });
    // Each turn for itself.
    const second = say(busy(), "Done.").say(ended).ask({ kind: "message", text: "more" });
    expect(second.say({ ...ended, id: 3 }).conclude().succeeded).toBe(false);
  });

  test.each([
    ["a word", (talk: Talk) => say(talk, "Done.").say(ended)],
    [
      "a thought",
      (talk: Talk) =>
        update(talk, {
          sessionUpdate: "agent_thought_chunk",
          content: { type: "text", text: "Hm." },
        }).say(ended),
    ],
    [
      "a tool",
      (talk: Talk) =>
        update(talk, { sessionUpdate: "tool_call", toolCallId: "t", title: "ls" }).say(ended),
    ],
    [
      "tokens",
      (talk: Talk) =>
        talk.say({
          id: 2,
          result: { stopReason: "end_turn", usage: { inputTokens: 9, outputTokens: 1 } },
        }),
    ],
  ])("a turn with nothing but %s is one", (_what, act) => {
    expect(act(busy()).conclude().succeeded).toBe(true);
  });

  test("a program's notice of a limit in the model's place is no success", () => {
    const talk = say(busy(), "You've hit your session limit · resets 3pm (UTC)").say(ended);
    expect(talk.conclude()).toEqual({
      succeeded: false,
      failureCode: "USAGE_LIMIT",
      reason: "the agent failed: You've hit your session limit · resets 3pm (UTC)",
    });
  });

  test("an agent that ends before its turn does: the last line of its errors says why", () => {
    const errors =
      "starting\nError: Cannot find module 'x'\n    at a (b.js:1)\n  code: 'E'\n}\n\nNode.js v24.1.0\n";
    expect(busy().conclude(1, null, errors)).toEqual({
      succeeded: false,
      failureCode: "AGENT_CRASHED",
      reason: "the agent ended (exit code 1) before its turn did: Error: Cannot find module 'x'",
    });
    expect(busy().conclude(null, "SIGSEGV")).toMatchObject({
      failureCode: "AGENT_CRASHED",
      reason: "the agent ended (signal SIGSEGV) before its turn did",
    });
    expect(busy().conclude(1, null, "Not logged in\n").failureCode).toBe("LOGIN_REQUIRED");
  });

  test("codex' warnings are no part of its answer, and what its commands print is", () => {
    const talk = say(busy("codex"), "Warning: Model metadata for `m` not found.\n\n");
    const call = { sessionUpdate: "tool_call_update", toolCallId: "t" };
    update(talk, { ...call, sessionUpdate: "tool_call", title: "npm test", status: "in_progress" });
    update(talk, { ...call, _meta: { terminal_output_delta: { data: "1 test " } } });
    update(talk, { ...call, _meta: { terminal_output_delta: { data: "failed" } } });
    update(talk, { ...call, status: "failed", _meta: { terminal_exit: { exit_code: 2 } } });
    say(talk, "It fails.");
    expect(talk.state.lastMessage).toBe("It fails.");
    expect(talk.told).toEqual([
      "output Warning: Model metadata for `m` not found.\n",
      "tool RUNNING - npm test",
      "tool RUNNING - npm test => 1 test ",
      "tool RUNNING - npm test => failed",
      "tool FAILED - npm test => [exit code 2]",
      "AGENT: It fails.",
    ]);
    expect(say(busy("codex"), "Warning: nothing else.\n\n").say(ended).conclude().succeeded).toBe(
      false,
    );
  });

  test("while codex asks again, it says so, until it goes on", () => {
    const talk = busy("codex");
    const error = {
      message: "Reconnecting... 2/5",
      additionalDetails: "We’re currently experiencing high demand.",
      codexErrorInfo: { responseStreamDisconnected: { httpStatusCode: null } },
      willRetry: true,
    };
    update(talk, { sessionUpdate: "session_info_update", _meta: { codex: { error } } });
    expect(talk.state.retrying).toBe("the model's server is overloaded, try 2 of 5");
    expect(say(talk, "Here I am.").state.retrying).toBeNull();
  });

  test("while gemini asks again, its errors say so", () => {
    const talk = busy("gemini").readError(
      "Attempt 3 failed with status 429. Retrying with backoff... x\n",
    );
    expect(talk.state.retrying).toBe("the model's server limits how often it may be asked, try 3");
    expect(talk.say(ended).state.retrying).toBeNull();
    expect(busy().readError("attempt 3 failed: no such file\n").state.retrying).toBeNull();
  });

  test.each([1e308, -5, 10_001])(
    "a cost of %d is not counted, and a note says so once",
    (amount) => {
      const talk = busy();
      const cost = (told: number) =>
        update(talk, { sessionUpdate: "usage_update", cost: { amount: told, currency: "USD" } });
      cost(0.5);
      cost(amount);
      cost(amount);
      expect(talk.state.usage?.costUsd).toBe(0.5);
      expect(talk.told.filter((told) => told.includes("which is not counted"))).toHaveLength(1);
      // Nor can it be taken back.
      expect(cost(0.1).state.usage?.costUsd).toBe(0.5);
      expect(cost(0.7).state.usage?.costUsd).toBe(0.7);
    },
  );

  test("thousands of tool calls at once are read in little time, and a hundred are remembered", () => {
    let { state } = busy();
    const begun = performance.now();
    for (let at = 0; at < 20_000; at += 1) {
      const call = { sessionUpdate: "tool_call", toolCallId: `t${String(at)}`, title: "ls" };
      const params = { sessionId: "s", update: call };
      const line = JSON.stringify({ jsonrpc: "2.0", method: "session/update", params });
      state = acp.read(state as AcpState, line).state;
    }
    // It took a dozen times as long while each call copied an object of all that were known.
    expect(performance.now() - begun).toBeLessThan(8_000);
    expect((state as AcpState).toolCalls).toHaveLength(100);
  });

  test("the tool calls of a state that an earlier version stored are known", () => {
    const talk = busy();
    const known = { title: "Run", kind: "execute", status: "RUNNING", isOutside: false };
    talk.state = { ...talk.state, toolCalls: { t: known } } as TalkState;
    update(talk, { sessionUpdate: "tool_call_update", toolCallId: "t", status: "completed" });
    expect(talk.told).toEqual(["tool COMPLETED execute Run"]);
  });

  test("JSON that is nested too deep is output with a note, and the turn goes on", () => {
    const line = `{"method":"session/update","params":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
    const talk = busy().read(line);
    expect(talk.told.at(-1)).toContain("nested deeper than 256 levels");
    expect(say(talk, "Done.").say(ended).conclude().succeeded).toBe(true);
    // Brackets in words are none.
    const words = "[{".repeat(1_000);
    expect(say(busy(), words).told).toEqual([`AGENT: ${words}`]);
  });
});

describe("headless", () => {
  const result = (more: object) =>
    JSON.stringify({ type: "result", subtype: "success", is_error: true, ...more });

  test.each([
    [{ api_error_status: 429, result: "API Error: Request rejected (429)" }, "RATE_LIMITED"],
    [
      { api_error_status: 429, result: "You've hit your session limit · resets 3pm" },
      "USAGE_LIMIT",
    ],
    [{ api_error_status: 529, result: "API Error: Repeated 529 Overloaded errors" }, "OVERLOADED"],
    [
      {
        api_error_status: 404,
        result:
          "There's an issue with the selected model (x). It may not exist or you may not have access to it.",
      },
      "MODEL_UNKNOWN",
    ],
    [
      { api_error_status: null, terminal_reason: "prompt_too_long", result: "" },
      "CONTEXT_EXHAUSTED",
    ],
    [{ terminal_reason: "rapid_refill_breaker" }, "CONTEXT_EXHAUSTED"],
    [{ result: "Not logged in · Please run /login" }, "LOGIN_REQUIRED"],
    [{ subtype: "error_max_turns" }, null],
  ])("claude %j: %s", (said, failureCode) => {
    const talk = new Talk(claudeStream).read(result(said));
    expect(talk.conclude()).toMatchObject({ succeeded: false, failureCode });
  });

  test("claude's own word for an error counts", () => {
    const message = { model: "<synthetic>", content: [{ type: "text", text: "Something." }] };
    const talk = new Talk(claudeStream)
      .read(JSON.stringify({ type: "assistant", message, error: "billing_error" }))
      .read(result({ result: "Something." }));
    expect(talk.conclude().failureCode).toBe("USAGE_LIMIT");
  });

  test.each([
    [
      '{"type":"turn.failed","error":{"message":"You\'ve hit your usage limit. Try again later."}}',
      "USAGE_LIMIT",
    ],
    [
      '{"type":"turn.failed","error":{"message":"x","codexErrorInfo":"serverOverloaded"}}',
      "OVERLOADED",
    ],
    [
      '{"type":"turn.failed","error":{"message":"unexpected status 429 Too Many Requests"}}',
      "RATE_LIMITED",
    ],
    [
      '{"type":"turn.failed","error":{"message":"The model `x` does not exist or you do not have access to it."}}',
      "MODEL_UNKNOWN",
    ],
  ])("codex %s: %s", (line, failureCode) => {
    expect(new Talk(codexStream).read(line).conclude().failureCode).toBe(failureCode);
  });

  test.each([
    [{ type: "FatalAuthenticationError", message: "no" }, "LOGIN_REQUIRED"],
    [
      {
        type: "unknown",
        message:
          '[API Error: {"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"Please retry in 12.2s"}}]',
      },
      "RATE_LIMITED",
    ],
    [
      { type: "TerminalQuotaError", message: "You have exhausted your daily quota on this model." },
      "USAGE_LIMIT",
    ],
  ])("gemini %j: %s", (error, failureCode) => {
    const line = JSON.stringify({ type: "result", status: "error", error });
    expect(new Talk(geminiStream).read(line).conclude().failureCode).toBe(failureCode);
  });

  test("gemini's exit code is the status that it met", () => {
    expect(
      [145, 173, 247, 41, 1].map((code) => new Talk(geminiStream).conclude(code).failureCode),
    ).toEqual(["LOGIN_REQUIRED", "RATE_LIMITED", "OVERLOADED", "LOGIN_REQUIRED", "AGENT_CRASHED"]);
  });

  test.each([
    [{ name: "APIError", data: { message: "x", statusCode: 429 } }, "RATE_LIMITED"],
    [{ name: "ProviderAuthError", data: { providerID: "p", message: "x" } }, "LOGIN_REQUIRED"],
    [{ name: "ContextOverflowError", data: { message: "x" } }, "CONTEXT_EXHAUSTED"],
    [{ name: "UnknownError", data: { message: "ProviderModelNotFoundError: x" } }, "MODEL_UNKNOWN"],
    [{ name: "UnknownError", data: { message: "x" } }, null],
  ])("opencode %j: %s", (error, failureCode) => {
    const line = JSON.stringify({ type: "error", sessionID: "s", error });
    expect(new Talk(opencodeStream).read(line).conclude().failureCode).toBe(failureCode);
  });

  test.each([
    [claudeStream, '{"type":"result","subtype":"success","is_error":false,"result":""}'],
    [codexStream, '{"type":"turn.completed","usage":{}}'],
    [geminiStream, '{"type":"result","status":"success"}'],
    [opencodeStream, '{"type":"step_finish","part":{"reason":"stop"}}'],
  ])("a turn without a word, a tool or tokens is no success", (protocol, line) => {
    expect(new Talk(protocol).read(line).conclude().succeeded).toBe(false);
  });

  test("while it asks again, it says so, until it goes on", () => {
    const retry = {
      type: "system",
      subtype: "api_retry",
      attempt: 6,
      max_retries: 10,
      error_status: 529,
      error: "overloaded",
    };
    const claude = new Talk(claudeStream).read(JSON.stringify(retry));
    expect(claude.state.retrying).toBe("the model's server is overloaded, try 6 of 10");
    const content = [{ type: "text", text: "Hello." }];
    claude.read(JSON.stringify({ type: "assistant", message: { id: "m", content } }));
    expect(claude.state.retrying).toBeNull();
    const codex = new Talk(codexStream).read(
      '{"type":"error","message":"Reconnecting... 1/5 (unexpected status 429 Too Many Requests)"}',
    );
    expect(codex.state.retrying).toBe(
      "the model's server limits how often it may be asked, try 1 of 5",
    );
    expect(
      codex.read('{"type":"turn.completed","usage":{"output_tokens":1}}').state.retrying,
    ).toBeNull();
  });

  test("a cost that can't be is not counted", () => {
    const told = (total_cost_usd: number) =>
      new Talk(claudeStream).read(JSON.stringify({ type: "result", total_cost_usd })).state.usage
        ?.costUsd;
    expect([told(1e308), told(-1), told(0.5)]).toEqual([null, null, 0.5]);
  });

  test("JSON that is nested too deep ends nothing", () => {
    const block = `${'{"x":'.repeat(50_000)}1${"}".repeat(50_000)}`;
    const talk = new Talk(claudeStream).read(
      `{"type":"assistant","message":{"content":[${block}]}}`,
    );
    expect(talk.told.at(-1)).toContain("nested deeper than 256 levels");
  });
});

describe("a notice", () => {
  test.each([
    "You've hit your session limit · resets 3pm (UTC)",
    "You’ve reached your weekly limit · resets Mon 9am",
    "Claude AI usage limit reached|1760000000",
    "You've hit your usage limit. Upgrade to Pro, or try again at 7:00 PM.",
    "You're out of extra usage · resets 3pm",
  ])("of a used up account: %s", (text) => {
    expect(noticeIn(text, false)).toBe("USAGE_LIMIT");
  });

  test.each([
    "You've hit your limit of three retries in client.ts, so I raised it to five.",
    'I added the message "You\'ve hit your session limit · resets 3pm" to the page.',
    "The usage limit is now checked before each request.",
    "Done.\nYou've hit your session limit · resets 3pm",
    "The API answers 429 Too Many Requests: I retry now.",
    "Prompt is too long: I shortened it.",
  ])("is none: %s", (text) => {
    expect(noticeIn(text, false)).toBeNull();
    if (!text.startsWith("You've")) expect(noticeIn(text, true)).toBeNull();
  });
});
