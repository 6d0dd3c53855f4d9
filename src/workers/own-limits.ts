// What a worker's token may ask of a session that it dispatches, retries or follows up: at most what the worker's
// own session was dispatched with.
import { forbidden } from "../access/viewer.ts";
import { canDo } from "../agents/capabilities.ts";
import type { AgentListing } from "../agents/definition.ts";
import type { WorkerSession } from "../generated/prisma/client.ts";
import { workerName } from "./find.ts";
import type { DispatchInput } from "./input.ts";

export type OwnLimits = Pick<
  WorkerSession,
  | "number"
  | "push"
  | "agentPush"
  | "priority"
  | "retries"
  | "timeoutSeconds"
  | "maxCostUsd"
  | "maxTurns"
  | "sandboxRequest"
  | "network"
  | "maxMemoryMib"
  | "maxCpus"
  | "maxProcesses"
>;

/** What dispatchWorker takes where nothing is given. */
const defaultPriority = 0;

/**
 * The input, with the worker's own limits where it gives none. Permissions are held to in policy.ts.
 * @throws FactoryError FORBIDDEN that names each value that is more than the worker's own
 */
export function holdToOwnLimits(
  input: DispatchInput,
  own: OwnLimits,
  agent: AgentListing,
): DispatchInput {
  const name = workerName(own);
  const faults: string[] = [];
  for (const field of ["push", "agentPush"] as const) {
    if (input[field] === true && !own[field])
      faults.push(`${field} is true, and ${name} has false`);
  }
  const limits = [
    // A default is no wish: it is lowered below.
    ["priority", input.priority === defaultPriority ? undefined : input.priority, own.priority],
    ["retries", input.retries, own.retries],
    ["timeoutSeconds", input.timeoutSeconds, own.timeoutSeconds],
    ["maxCostUsd", input.maxCostUsd, own.maxCostUsd],
    ["maxTurns", input.maxTurns, own.maxTurns],
    ["maxMemoryMib", input.maxMemoryMib, own.maxMemoryMib],
    ["maxCpus", input.maxCpus, own.maxCpus],
    ["maxProcesses", input.maxProcesses, own.maxProcesses],
  ] as const;
  for (const [field, asked, most] of limits) {
    if (asked === undefined || most === null || asked <= most) continue;
    faults.push(`${field} is ${String(asked)}, and ${name} has ${String(most)}`);
  }
  if (own.maxCostUsd !== null && !canDo(agent, "MAX_COST_USD") && agent.protocol !== "plain") {
    faults.push(
      `${agent.name} doesn't report its cost, and ${name} has maxCostUsd ${String(own.maxCostUsd)}`,
    );
  }
  if (input.sandbox === "OFF" && own.sandboxRequest !== "OFF") {
    faults.push(`sandbox is OFF, and ${name} has ${own.sandboxRequest ?? "the server's choice"}`);
  }
  if (input.network !== undefined && !isWithin(input.network, own.network)) {
    faults.push(
      `network is ${input.network}, and ${name} has ${own.network ?? "no list of its own"}`,
    );
  }
  if (faults.length > 0) {
    throw forbidden(
      `a worker's token gives at most what its own session was dispatched with: ${faults.join("; ")}`,
    );
  }
  return {
    ...input,
    priority: Math.min(input.priority, own.priority),
    timeoutSeconds: input.timeoutSeconds ?? own.timeoutSeconds ?? undefined,
    maxCostUsd:
      input.maxCostUsd ??
      (canDo(agent, "MAX_COST_USD") ? (own.maxCostUsd ?? undefined) : undefined),
    maxTurns:
      input.maxTurns ?? (canDo(agent, "MAX_TURNS") ? (own.maxTurns ?? undefined) : undefined),
    sandbox: input.sandbox ?? own.sandboxRequest ?? undefined,
    network: input.network ?? own.network ?? undefined,
    maxMemoryMib: input.maxMemoryMib ?? own.maxMemoryMib ?? undefined,
    maxCpus: input.maxCpus ?? own.maxCpus ?? undefined,
    maxProcesses: input.maxProcesses ?? own.maxProcesses ?? undefined,
  };
}

/** Whether it opens nothing that the worker's own list doesn't: the same text, or NONE and hosts of that list. */
function isWithin(asked: string, own: string | null): boolean {
  if (asked === own) return true;
  const [mode, ...hosts] = asked.split(",");
  const allowed = own?.split(",") ?? [];
  return mode === "NONE" && hosts.every((host) => allowed.includes(host));
}
