import { describe, expect, test } from "@jest/globals";
import type { AgentListing, ProtocolName } from "../../../src/agents/definition.ts";
import {
  assertAgentSupports,
  canBeHeldTo,
  capabilitiesOf,
  capabilitiesOfSession,
  readCapabilities,
  type RequestedLimits,
} from "../../../src/agents/capabilities.ts";

function agent(protocol: ProtocolName | null): AgentListing {
  return {
    name: "helper",
    available: true,
    unavailableReason: null,
    protocol,
    capabilities: readCapabilities(undefined, protocol),
  };
}

describe("what a dispatch asks of an agent", () => {
  test.each<[ProtocolName | null, RequestedLimits]>([
    ["plain", {}],
    ["acp", { permissions: "ASK", maxCostUsd: 1, maxTurns: 1 }],
    ["claude-stream-json", { permissions: "ALLOW", maxCostUsd: 1, maxTurns: 1 }],
    ["codex-stream-json", { permissions: "DENY", maxTurns: 1 }],
    // A runner of an older version doesn't tell: it is found out there.
    [null, { permissions: "ASK", maxCostUsd: 1, maxTurns: 1 }],
  ])("with the protocol %s may be %j", (protocol, limits) => {
    expect(() => {
      assertAgentSupports(agent(protocol), limits);
    }).not.toThrow();
  });

  test.each<[ProtocolName, RequestedLimits]>([
    ["plain", { permissions: "ASK" }],
    ["plain", { permissions: "ALLOW" }],
    ["plain", { permissions: "DENY" }],
    ["plain", { maxCostUsd: 1 }],
    ["plain", { maxTurns: 1 }],
    ["codex-stream-json", { maxCostUsd: 1 }],
    ["gemini-stream-json", { maxCostUsd: 1 }],
    ["claude-stream-json", { permissions: "ASK" }],
  ])(
    "with the protocol %s may not be %j: NOT_SUPPORTED names agent and field",
    (protocol, limits) => {
      const field = Object.keys(limits)[0] ?? "";
      expect(() => {
        assertAgentSupports(agent(protocol), limits);
      }).toThrow(
        expect.objectContaining({
          code: "NOT_SUPPORTED",
          message: expect.stringMatching(new RegExp(`^helper .*: leave ${field} out$`)),
        }),
      );
    },
  );
});

test("a plain agent is held to nothing", () => {
  expect(["ASK", "DENY"].map((policy) => canBeHeldTo(agent("plain"), policy as "ASK"))).toEqual([
    false,
    false,
  ]);
});

describe("what can be done with an agent", () => {
  test("follows from how it is started, in one order", () => {
    expect(capabilitiesOf({ protocol: "acp" })).toEqual([
      "MESSAGES",
      "FOLLOW_UP",
      "RESUME",
      "PERMISSIONS_ASK",
      "PERMISSIONS_DENY",
      "MAX_COST_USD",
      "MAX_TURNS",
    ]);
    expect(capabilitiesOf({ protocol: "plain", takesCommand: true })).toEqual([
      "COMMAND_TASK",
      "TERMINAL_OUTPUT",
    ]);
    expect(capabilitiesOf({ protocol: "codex-stream-json", ignoresConversation: true })).toEqual([
      "FOLLOW_UP",
      "PERMISSIONS_DENY",
      "MAX_TURNS",
    ]);
  });

  test("is read from other runners without what this version doesn't know", () => {
    expect(readCapabilities(["RESUME", "TELEPATHY", "MESSAGES"], "acp")).toEqual([
      "MESSAGES",
      "RESUME",
    ]);
    expect(readCapabilities(null, "plain")).toEqual(["TERMINAL_OUTPUT"]);
    expect(readCapabilities(null, null)).toBeNull();
    expect(readCapabilities(undefined, "a-later-protocol")).toBeNull();
  });

  test("of a session goes by how it was started, and before that by the agent of today", () => {
    const acp = { capabilities: capabilitiesOf({ protocol: "acp" }) };
    expect(capabilitiesOfSession({ protocol: null }, acp)).toEqual(acp.capabilities);
    expect(capabilitiesOfSession({ protocol: null }, undefined)).toBeNull();
    expect(capabilitiesOfSession({ protocol: "plain" }, acp)).toEqual(["TERMINAL_OUTPUT"]);
    expect(capabilitiesOfSession({ protocol: "plain" }, undefined)).toEqual(["TERMINAL_OUTPUT"]);
  });
});
