// What a dispatch may say, checked before anything is created.
import { createHash } from "node:crypto";
import { capBounds, capNames } from "../caps.ts";
import { FactoryError } from "../errors.ts";
import type {
  PermissionPolicy,
  SandboxRequest,
  WorktreeCleanup,
} from "../generated/prisma/enums.ts";
import { repositoryFromIssueUrl } from "../issues/url.ts";
import { checkBase, checkBranch, checkOwner, checkRepositoryName } from "../git/names.ts";
import type { RepositoryName } from "../repositories/service.ts";
import { checkText } from "../text.ts";
import { capFields } from "./caps.ts";

/** The task is also an argument and a variable of the worker, and Linux limits each to 128 KiB. */
export const longestTaskBytes = 100_000;
const longestName = 200;
const longestIssue = 2_000;
const longestKey = 200;
const priorityLimit = 1_000_000;
const mostRetries = 10;
/** In US dollars; who wants more wants no limit. */
const highestCostLimit = 1_000_000;
const highestTurnLimit = 1_000_000;
/** Node.js timers hold 24 days at most. */
const longestTimeoutSeconds = 20 * 24 * 3600;

export interface DispatchInput {
  readonly parentSession: string;
  readonly task: string;
  readonly repository?: RepositoryName | undefined;
  readonly issue?: string | undefined;
  readonly branch?: string | undefined;
  readonly base?: string | undefined;
  readonly agent: string;
  readonly priority: number;
  readonly timeoutSeconds?: number | undefined;
  readonly cleanup: WorktreeCleanup;
  readonly idempotencyKey?: string | undefined;
  /** Left out where there are none, so that inputs from before there were retries hash as they did. */
  readonly retries?: number | undefined;
  // The same holds for these: what isn't asked for is left out.
  readonly permissions?: PermissionPolicy | undefined;
  readonly push?: true | undefined;
  readonly agentPush?: true | undefined;
  readonly maxCostUsd?: number | undefined;
  readonly maxTurns?: number | undefined;
  readonly sandbox?: SandboxRequest | undefined;
  /** As FACTORY_NETWORK is written. */
  readonly network?: string | undefined;
  readonly maxMemoryMib?: number | undefined;
  readonly maxCpus?: number | undefined;
  readonly maxProcesses?: number | undefined;
}

/** @throws FactoryError BAD_INPUT that names the field. */
export function checkDispatch(input: DispatchInput): void {
  checkParentName(input.parentSession);
  checkText("task", input.task, { longestBytes: longestTaskBytes, lines: true });
  if (input.issue !== undefined) checkText("issue", input.issue, { longestBytes: longestIssue });
  if (input.idempotencyKey !== undefined) checkKey(input.idempotencyKey);
  if (input.branch !== undefined) checkBranch(input.branch);
  if (input.base !== undefined) checkBase(input.base);
  checkRange("priority", input.priority, -priorityLimit, priorityLimit);
  if (input.timeoutSeconds !== undefined) {
    checkRange("timeoutSeconds", input.timeoutSeconds, 1, longestTimeoutSeconds);
  }
  if (input.retries !== undefined) checkRange("retries", input.retries, 0, mostRetries);
  if (input.maxTurns !== undefined) checkRange("maxTurns", input.maxTurns, 1, highestTurnLimit);
  if (input.maxCostUsd !== undefined) checkCostLimit("maxCostUsd", input.maxCostUsd);
  for (const name of capNames) {
    const { field, unit } = capFields[name];
    const { least, most } = capBounds[name];
    const value = input[field];
    if (value !== undefined) checkRange(field, value, least / unit, most / unit);
  }
}

/** @throws FactoryError BAD_INPUT */
export function checkCostLimit(field: string, value: number): void {
  if (value > 0 && value <= highestCostLimit) return;
  throw new FactoryError(
    "BAD_INPUT",
    `${field} is ${String(value)}: it may be any number of US dollars above 0, up to ${String(highestCostLimit)}`,
  );
}

export function checkParentName(name: string): void {
  checkText("parentSession", name, { longestBytes: longestName });
}

export function checkKey(key: string): void {
  checkText("idempotencyKey", key, { longestBytes: longestKey });
}

function checkRange(field: string, value: number, least: number, most: number): void {
  if (value >= least && value <= most) return;
  throw new FactoryError(
    "BAD_INPUT",
    `${field} is ${String(value)}: it may be from ${String(least)} to ${String(most)}`,
  );
}

/** The repository that was given, else the one that the issue's URL names. @throws FactoryError BAD_INPUT */
export function repositoryOf({ repository, issue }: DispatchInput): RepositoryName {
  const found = repository ?? (issue === undefined ? undefined : repositoryFromIssueUrl(issue));
  if (found === undefined) {
    throw new FactoryError(
      "BAD_INPUT",
      "repository is missing: give its owner and name, or an issue whose URL names them, such as https://github.com/owner/name/issues/42",
    );
  }
  checkOwner(found.owner);
  checkRepositoryName(found.name);
  return found;
}

/** The number at the end of an issue: 42 for "#42", "PROJ-42" and ".../issues/42". */
export function issueNumber(issue: string): string | undefined {
  return /(?:^|[#/-])(\d{1,18})\/?(?:[?#].*)?$/.exec(issue)?.[1];
}

/** Equal for equal inputs, whatever the order of their fields; the key itself is not part of it. */
export function hashInput(kind: "dispatch" | "retry" | "message", input: object): string {
  const entries = sortEntries(input).filter(([name]) => name !== "idempotencyKey");
  return createHash("sha256")
    .update(JSON.stringify([kind, entries]))
    .digest("hex");
}

function sortEntries(input: object): [string, unknown][] {
  // Without a declared type these values would be any.
  const entries: [string, unknown][] = Object.entries(input);
  return entries
    .filter(([, value]) => value !== undefined)
    .map(([name, value]): [string, unknown] => [name, isObject(value) ? sortEntries(value) : value])
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
