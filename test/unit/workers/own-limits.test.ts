import { expect, test } from "@jest/globals";
import { capabilitiesOf } from "../../../src/agents/capabilities.ts";
import type { AgentListing, ProtocolName } from "../../../src/agents/definition.ts";
import type { DispatchInput } from "../../../src/workers/input.ts";
import { holdToOwnLimits, type OwnLimits } from "../../../src/workers/own-limits.ts";

const unlimited: OwnLimits = {
  number: 7,
  push: true,
  agentPush: true,
  priority: 0,
  retries: 10,
  timeoutSeconds: null,
  maxCostUsd: null,
  maxTurns: null,
  sandboxRequest: null,
  network: null,
  maxMemoryMib: null,
  maxCpus: null,
  maxProcesses: null,
};

function hold(
  own: Partial<OwnLimits>,
  asked: Partial<DispatchInput>,
  protocol: ProtocolName = "acp",
): DispatchInput {
  const capabilities = capabilitiesOf({ protocol });
  const agent: AgentListing = {
    name: "one",
    available: true,
    unavailableReason: null,
    protocol,
    capabilities,
  };
  const input: DispatchInput = {
    parentSession: "worker-7",
    task: "work",
    agent: "one",
    priority: 0,
    cleanup: "KEEP",
    ...asked,
  };
  return holdToOwnLimits(input, { ...unlimited, ...own }, agent);
}

const limits = { timeoutSeconds: 60, maxCostUsd: 2, maxTurns: 5 };

test.each([
  [{ push: false }, { push: true as const }, "push"],
  [{ agentPush: false }, { agentPush: true as const }, "agentPush"],
  [{ priority: 4 }, { priority: 5 }, "priority"],
  [{ retries: 0 }, { retries: 1 }, "retries"],
  [limits, { timeoutSeconds: 61 }, "timeoutSeconds"],
  [limits, { maxCostUsd: 2.01 }, "maxCostUsd"],
  [limits, { maxTurns: 6 }, "maxTurns"],
  [{ maxMemoryMib: 512 }, { maxMemoryMib: 513 }, "maxMemoryMib"],
  [{ maxCpus: 0.5 }, { maxCpus: 0.6 }, "maxCpus"],
  [{ maxProcesses: 50 }, { maxProcesses: 51 }, "maxProcesses"],
  [{}, { sandbox: "OFF" as const }, "sandbox"],
  [{ sandboxRequest: "REQUIRED" as const }, { sandbox: "OFF" as const }, "sandbox"],
  [{}, { network: "example.com" }, "network"],
  [{}, { network: "OPEN" }, "network"],
  [{ network: "NONE,a.example" }, { network: "a.example" }, "network"],
  [{ network: "a.example" }, { network: "NONE,b.example" }, "network"],
])("of %j no worker gives %j, and is told which: %s", (own, asked, field) => {
  expect(() => hold(own, asked)).toThrow(new RegExp(`: ${field} is .*, and worker-7 has `));
});

test("what isn't asked for is the worker's own, where the agent can be held to it", () => {
  expect(hold(limits, {})).toMatchObject(limits);
  expect(hold(limits, { maxCostUsd: 1 })).toMatchObject({ ...limits, maxCostUsd: 1 });
  expect(hold({ priority: -5 }, {}).priority).toBe(-5);
  expect(hold({ priority: 5 }, {}).priority).toBe(0);
  const ofShell = hold(limits, {}, "plain");
  expect([ofShell.timeoutSeconds, ofShell.maxCostUsd, ofShell.maxTurns]).toEqual([
    60,
    undefined,
    undefined,
  ]);
  expect(hold({}, {})).toMatchObject({ timeoutSeconds: undefined, maxCostUsd: undefined });
});

test("a worker that may cost so much dispatches no model that doesn't report its cost", () => {
  expect(() => hold(limits, {}, "codex-stream-json")).toThrow(/one doesn't report its cost/);
  expect(hold({}, {}, "codex-stream-json").maxCostUsd).toBeUndefined();
});

test("caps are the worker's own, or less", () => {
  const own = { maxMemoryMib: 512, maxCpus: 0.5, maxProcesses: 50 };
  expect(hold(own, {})).toMatchObject(own);
  expect(hold(own, { maxMemoryMib: 64 })).toMatchObject({ ...own, maxMemoryMib: 64 });
  expect(hold({}, own)).toMatchObject(own);
});

test("the sandbox and its hosts are the worker's own, or less", () => {
  const own = { sandboxRequest: "REQUIRED", network: "a.example,b.example" } as const;
  expect(hold(own, {})).toMatchObject({ sandbox: "REQUIRED", network: own.network });
  expect(hold(own, { network: "NONE,b.example" })).toMatchObject({ network: "NONE,b.example" });
  expect(hold({}, { network: "NONE" })).toMatchObject({ network: "NONE" });
  expect(hold({ sandboxRequest: "OFF" }, {})).toMatchObject({ sandbox: "OFF" });
});
