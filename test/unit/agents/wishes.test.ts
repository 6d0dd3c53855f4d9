import { describe, expect, test } from "@jest/globals";
import type { AgentListing, ProtocolName } from "../../../src/agents/definition.ts";
import { assertCan, canBeHeldTo, type Wishes } from "../../../src/agents/wishes.ts";

function agent(protocol: ProtocolName | null): AgentListing {
  return { name: "helper", available: true, unavailableReason: null, protocol };
}

describe("what a dispatch asks of an agent", () => {
  test.each<[ProtocolName | null, Wishes]>([
    ["plain", {}],
    ["acp", { permissions: "ASK", maxCostUsd: 1, maxTurns: 1 }],
    ["claude-stream-json", { permissions: "ALLOW", maxCostUsd: 1, maxTurns: 1 }],
    ["codex-stream-json", { permissions: "DENY", maxTurns: 1 }],
    // A runner of an older version doesn't tell: it is found out there.
    [null, { permissions: "ASK", maxCostUsd: 1, maxTurns: 1 }],
  ])("with the protocol %s may be %j", (protocol, wishes) => {
    expect(() => {
      assertCan(agent(protocol), wishes);
    }).not.toThrow();
  });

  test.each<[ProtocolName, Wishes]>([
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
    (protocol, wishes) => {
      const field = Object.keys(wishes)[0] ?? "";
      expect(() => {
        assertCan(agent(protocol), wishes);
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
