// What the dispatch form begins with: what was chosen the last time, but for the work itself.
import { readStored, writeStored } from "../client/stored.ts";
import type { VariablesOf } from "../client/graphql.ts";
import type { dispatchWorker } from "./operations.ts";
import { readName } from "./repository-name.ts";

/** As typed. */
export interface Choices {
  readonly repository: string;
  readonly agent: string;
  readonly parentSession: string;
  readonly base: string;
  readonly priority: string;
  readonly timeoutMinutes: string;
  readonly retries: string;
  readonly maxCostUsd: string;
  readonly maxTurns: string;
  readonly cleanup: string;
  readonly permissions: string;
  readonly sandbox: string;
  readonly allowedHosts: string;
  readonly maxMemoryMib: string;
  readonly maxCpus: string;
  readonly maxProcesses: string;
  readonly push: boolean;
  readonly agentPush: boolean;
}

export interface Work {
  readonly task: string;
  readonly issue: string;
  readonly branch: string;
}

const beginning: Choices = {
  repository: "",
  agent: "claude",
  parentSession: "me",
  base: "",
  priority: "0",
  timeoutMinutes: "",
  retries: "0",
  maxCostUsd: "",
  maxTurns: "",
  cleanup: "KEEP",
  permissions: "",
  sandbox: "",
  allowedHosts: "",
  maxMemoryMib: "",
  maxCpus: "",
  maxProcesses: "",
  push: false,
  agentPush: false,
};

const key = "dispatch";

export function readChoices(): Choices {
  const stored = readStored(key);
  if (typeof stored !== "object" || stored === null) return beginning;
  const known = Object.entries(stored).filter(
    ([name, value]) =>
      name in beginning && typeof value === typeof beginning[name as keyof Choices],
  );
  return { ...beginning, ...Object.fromEntries(known) };
}

export function rememberChoices(choices: Choices): void {
  writeStored(key, choices);
}

type DispatchInput = VariablesOf<typeof dispatchWorker>["input"];

/** What is left empty is left to the server. */
export function toInput(choices: Choices, work: Work, idempotencyKey: string): DispatchInput {
  const repository = readName(choices.repository);
  const timeout = toNumber(choices.timeoutMinutes);
  const hosts = choices.allowedHosts.split(/[\s,]+/).filter(Boolean);
  return {
    idempotencyKey,
    task: work.task,
    agent: choices.agent,
    parentSession: choices.parentSession.trim(),
    priority: toNumber(choices.priority) ?? 0,
    retries: toNumber(choices.retries) ?? 0,
    push: choices.push,
    agentPush: choices.agentPush,
    cleanup: cleanups.find((cleanup) => cleanup === choices.cleanup) ?? "KEEP",
    permissions: policies.find((policy) => policy === choices.permissions) ?? null,
    sandbox: sandboxes.find((sandbox) => sandbox === choices.sandbox) ?? null,
    network: hosts.length === 0 ? null : { allow: hosts },
    repository: repository ?? null,
    base: toText(choices.base),
    branch: toText(work.branch),
    issue: toText(work.issue),
    timeoutSeconds: timeout === null ? null : Math.round(timeout * 60),
    maxCostUsd: toNumber(choices.maxCostUsd),
    maxTurns: toNumber(choices.maxTurns),
    maxMemoryMib: toNumber(choices.maxMemoryMib),
    maxCpus: toNumber(choices.maxCpus),
    maxProcesses: toNumber(choices.maxProcesses),
  };
}

export const cleanups = ["KEEP", "ON_SUCCESS", "ALWAYS"] as const;
export const policies = ["ASK", "ALLOW", "DENY"] as const;
const sandboxes = ["REQUIRED", "OFF"] as const;

function toText(text: string): string | null {
  return text.trim() === "" ? null : text.trim();
}

function toNumber(text: string): number | null {
  return text.trim() === "" ? null : Number(text);
}
