import { describe, expect, test } from "@jest/globals";
import { acp } from "../../../../src/agents/acp/protocol.ts";
import type { TalkStart } from "../../../../src/agents/talk.ts";
import { conversationOf, Talk } from "../captures.ts";

const initialized = {
  id: 0,
  result: { protocolVersion: 1, agentCapabilities: { loadSession: true }, authMethods: [] },
};

/** A talk in its first turn, whose prompt has the id 2. */
function busy(start: Partial<TalkStart> = {}): Talk {
  const talk = new Talk(acp, start).say(initialized).say({ id: 1, result: { sessionId: "s1" } });
  expect(talk.takeSent().at(-1)).toMatchObject({ id: 2, method: "session/prompt" });
  return talk;
}

function update(change: Record<string, unknown>): unknown {
  return { method: "session/update", params: { sessionId: "s1", update: change } };
}

const options = [
  { optionId: "always", name: "Always", kind: "allow_always" },
  { optionId: "once", name: "Once", kind: "allow_once" },
  { optionId: "no", name: "No", kind: "reject_once" },
];

function asks(id: number | string, toolCall: Record<string, unknown> = {}, offered = options) {
  return {
    id,
    method: "session/request_permission",
    params: { sessionId: "s1", toolCall: { toolCallId: "t1", ...toolCall }, options: offered },
  };
}

function outcomes(talk: Talk): unknown[] {
  return talk.takeSent().map(({ result }) => result?.["outcome"]);
}

describe("a request for permission", () => {
  test.each([
    ["/w/a/b.txt", "once"],
    ["/w", "once"],
    ["src/x", "once"],
    ["/etc/passwd", undefined],
    ["/w/../x", undefined],
    ["/wide/x", undefined],
    ["/w/..x", "once"],
  ])("for %s is answered where it stays in the worktree", (place, optionId) => {
    const talk = busy().say(asks(7, { locations: [{ path: place }] }));

    expect(outcomes(talk)).toEqual(
      optionId === undefined ? [] : [{ outcome: "selected", optionId }],
    );
  });

  test("remembers the places that its tool call named before", () => {
    const talk = busy()
      .say(
        update({ sessionUpdate: "tool_call", toolCallId: "t1", locations: [{ path: "/etc/x" }] }),
      )
      .say(asks(7));

    expect(outcomes(talk)).toEqual([]);
  });

  test("shows what its tool call said before that it will do", () => {
    const call = { toolCallId: "t1", kind: "execute", rawInput: { command: "make" } };
    const talk = busy({ permissions: "ASK" })
      .say(update({ sessionUpdate: "tool_call", ...call }))
      .say(asks(7, { title: "Build" }));
    const event = talk.events.find((each) => each.type === "permission")!;
    expect(event.payload.request).toMatchObject({
      title: "Build",
      command: "make",
      kind: "execute",
      locations: [],
      diff: null,
    });
  });

  test("is somebody's to answer, once, with the id that the agent gave", () => {
    const talk = busy({ permissions: "ASK" }).say(asks("seven", { title: "rm x" }));
    const event = talk.events.find((each) => each.type === "permission")!;
    const { request } = event.payload;
    expect(request).toMatchObject({ title: "rm x", answer: null });

    talk.ask({ kind: "answer", requestId: request.id, optionId: "no" });
    talk.ask({ kind: "answer", requestId: request.id, optionId: "once" });
    talk.ask({ kind: "answer", requestId: "another", optionId: "once" });

    expect(talk.takeSent()).toEqual([
      { jsonrpc: "2.0", id: "seven", result: { outcome: { outcome: "selected", optionId: "no" } } },
    ]);
  });

  test("that nothing can refuse is cancelled where all is denied", () => {
    const talk = busy({ permissions: "DENY" }).say(asks(7, {}, options.slice(0, 2)));

    expect(outcomes(talk)).toEqual([{ outcome: "cancelled" }]);
  });

  test("is cancelled with its turn, and a second interruption does no harm", () => {
    const talk = busy({ permissions: "ASK" }).say(asks(7)).say(asks(8));
    talk.ask({ kind: "interrupt" }).ask({ kind: "interrupt" });

    expect(talk.takeSent().map(({ id, method }) => method ?? id)).toEqual([
      7,
      8,
      "session/cancel",
      "session/cancel",
    ]);
  });

  test("that the agent takes back is waited for no longer", () => {
    const talk = busy({ permissions: "ASK" })
      .say(asks(7))
      .say({ method: "$/cancel_request", params: { requestId: 7 } });

    expect(outcomes(talk)).toEqual([{ outcome: "cancelled" }]);
  });

  test("has ids of its own in each conversation", () => {
    const ids = ["conversation-1", "conversation-2"].map((sessionId) => {
      const talk = new Talk(acp).say(initialized).say({ id: 1, result: { sessionId } });
      talk.say(asks(0));
      return talk.told[0];
    });

    expect(new Set(ids).size).toBe(2);
  });
});

describe("the start", () => {
  test("logs in once with a key from the environment where the agent wants that", () => {
    const authMethods = [{ id: "browser" }, { id: "key", _meta: { "api-key": {} } }];
    const refused = { code: -32000, message: "Authentication required" };
    const talk = new Talk(acp)
      .say({ id: 0, result: { ...initialized.result, authMethods } })
      .say({ id: 1, error: refused })
      .say({ id: 2, result: {} });

    expect(talk.takeSent().map(({ method }) => method)).toEqual([
      "initialize",
      "session/new",
      "authenticate",
      "session/new",
    ]);
    talk.say({ id: 3, error: refused });
    expect(talk.state).toMatchObject({ phase: "ended", verdict: { succeeded: false } });
    expect(talk.conclude().reason).toContain("key");
  });

  test("fails where the agent can't be made to ask", () => {
    const result = {
      ...initialized.result,
      agentInfo: { name: "@agentclientprotocol/claude-agent-acp" },
    };
    const modes = { currentModeId: "auto", availableModes: [{ id: "auto" }, { id: "default" }] };
    const start = (permissions: "ASK" | "ALLOW") =>
      new Talk(acp, { permissions })
        .say({ id: 0, result })
        .say({ id: 1, result: { sessionId: "s", modes } })
        .say({ id: 2, error: { code: -1, message: "no such mode" } }).state;

    expect(start("ALLOW").phase).toBe("busy");
    expect(start("ASK")).toMatchObject({
      phase: "ended",
      verdict: { reason: "the agent can't be made to ask before it acts: no such mode" },
    });
  });

  test("tells which version an agent speaks that is not ours", () => {
    for (const [protocolVersion, said] of [
      [2, "version 2"],
      ["1", "no version"],
    ]) {
      const talk = new Talk(acp).say({ id: 0, result: { protocolVersion } });

      expect(talk.state.phase).toBe("ended");
      expect(talk.conclude()).toMatchObject({
        succeeded: false,
        failureCode: "AGENT_UNAVAILABLE",
        reason: expect.stringContaining(`speaks ${said} of the Agent Client Protocol`),
      });
    }
  });

  test("has a limit until the first turn, and tells what was not answered", () => {
    const talk = new Talk(acp);
    expect(acp.hasStartLimit).toBe(true);
    expect([talk.state.phase, talk.waitsFor()]).toEqual(["starting", "initialize"]);
    talk.say(initialized);
    expect([talk.state.phase, talk.waitsFor()]).toEqual(["starting", "session/new"]);
  });

  test("that is interrupted leads to no turn", () => {
    const talk = new Talk(acp).ask({ kind: "interrupt" }).say(initialized);

    expect(talk.takeSent().map(({ method }) => method)).toEqual(["initialize"]);
    expect(talk.conclude().reason).toBe("the agent was interrupted before its first turn");
  });

  test("takes what a resumed conversation of opencode had cost off its cost", () => {
    const result = { ...initialized.result, agentInfo: { name: "OpenCode" } };
    const usage = { inputTokens: 5, outputTokens: 5, costUsd: 1 };
    const talk = new Talk(acp, { resume: { conversationId: "s", promptIfNew: "x", usage } })
      .say({ id: 0, result })
      .say({ id: 1, result: {} })
      .say(update({ sessionUpdate: "usage_update", cost: { amount: 1.25, currency: "USD" } }));

    expect(talk.told).toEqual(["usage 0/0 $0.25"]);
  });
});

describe("what comes unexpected", () => {
  test("is kept as output, and breaks nothing", () => {
    const lines = [
      "no JSON",
      "{",
      "[]",
      "null",
      "{}",
      '{"id":null,"result":1}',
      '{"jsonrpc":"2.0","id":41,"result":{}}',
      '{"id":{"a":1},"method":"x"}',
      '{"method":"_x/y"}',
      '{"method":"session/update"}',
      '{"method":"session/update","params":{"update":{"sessionUpdate":"constructor"}}}',
    ];
    const talk = busy().readAll(lines);

    expect(talk.told).toEqual(lines.map((line) => `output ${line}\n`));
    expect(talk.state.phase).toBe("busy");
  });

  test("is no verdict: an agent that prints nothing and exits 0 has failed", () => {
    expect(new Talk(acp).conclude(0)).toMatchObject({
      succeeded: false,
      reason: "the agent ended (exit code 0) before its turn did",
    });
    expect(busy().conclude(null, "SIGKILL").reason).toBe(
      "the agent ended (signal SIGKILL) before its turn did",
    );
  });

  test("is cut where it is long", () => {
    const text = "é".repeat(200_000);
    const talk = busy()
      .say(update({ sessionUpdate: "agent_message_chunk", content: { type: "text", text } }))
      .read(text);

    expect(talk.told.map((told) => told.length < 70_000)).toEqual([true, true]);
    expect(talk.told[0]).toContain("[cut: ");
    expect(talk.state.lastMessage).toHaveLength(16_384);
  });

  test("doesn't let the state grow without end", () => {
    const talk = busy({ permissions: "ASK" });
    for (let at = 0; at < 500; at++) {
      const toolCallId = `t${at}`;
      talk.say(update({ sessionUpdate: "tool_call", toolCallId, title: "x".repeat(5_000) }));
      talk.say(asks(at, { toolCallId }));
    }

    expect(JSON.stringify(talk.state).length).toBeLessThan(1_000_000);
  });

  test("remembers few of the calls that have ended, and all that go on or reach outside", () => {
    const call = (toolCallId: string, more: Record<string, unknown> = {}) =>
      update({ sessionUpdate: "tool_call", toolCallId, title: toolCallId, ...more });
    const talk = busy({ permissions: "ASK" })
      .say(call("goes-on"))
      .say(call("outside", { status: "completed", locations: [{ path: "/etc/x" }] }));
    for (let at = 0; at < 50; at++) talk.say(call(`ended-${at}.`, { status: "completed" }));

    const state = JSON.stringify(talk.state);
    expect(state).toContain('"goes-on"');
    expect(state).toContain('"outside"');
    expect(state).toContain('"ended-49."');
    expect(state).not.toContain('"ended-30."');
  });

  test("hides keys in the reasons of failures", () => {
    const message = "Incorrect API key provided: sk-abcdefgh12345678, Bearer abcdefghijkl";
    const talk = busy().say({ id: 2, error: { code: -32603, message } });

    expect(talk.conclude().reason).not.toMatch(/abcdefgh/);
  });

  test("never throws, whatever is broken off or changed", () => {
    // A generator of its own (mulberry32), so that a failure can be repeated.
    let seed = 4711;
    const random = () => {
      seed = (seed + 0x6d2b79f5) | 0;
      let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
    for (const name of ["claude-acp", "codex-acp-500", "opencode-acp-ask", "gemini-acp"]) {
      for (let round = 0; round < 20; round++) {
        const talk = new Talk(acp, { permissions: "ASK" });
        for (const { direction, line } of conversationOf(name)) {
          if (direction === ">") continue;
          const at = Math.floor(random() * line.length);
          const wild = [
            line,
            line.slice(0, at),
            `${line.slice(0, at)}${String.fromCharCode(random() * 65_536)}${line.slice(at + 1)}`,
            line.replace(/"(title|content|toolCallId|update|options)":/, '"$1":null,"x":'),
            line.replace(/:\{/, ":[{").replace(/\}\}$/, "}]}"),
          ];
          talk.read(wild[Math.floor(random() * wild.length)]!);
        }
        expect(talk.conclude(0)).toBeDefined();
      }
    }
  });
});
