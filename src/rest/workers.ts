// Worker sessions as they are told: what they belong to by its name.
import { z } from "zod";
import {
  PermissionPolicy,
  WorkerSandbox,
  WorkerStatus,
  WorktreeCleanup,
  WorktreeStatus,
} from "../generated/prisma/enums.ts";
import { dateTime, described } from "./described.ts";

export const permissionShape = described("PermissionRequest", {
  id: z.string(),
  title: z.string(),
  command: z.string().nullable(),
  kind: z.string().nullable(),
  locations: z.array(z.string()),
  diff: z.string().nullable(),
  answer: z.string().nullable(),
  options: z.array(
    described("PermissionOption", { id: z.string(), name: z.string(), kind: z.string() }),
  ),
}).meta({ id: "PermissionRequest" });

export const blockedHostShape = {
  host: z.string(),
  port: z.int(),
  blockReason: z.enum(["UNLISTED", "PRIVATE"]),
};

export const usageShape = described("Usage", {
  inputTokens: z.int(),
  outputTokens: z.int(),
  costUsd: z.number().nullable(),
}).meta({ id: "Usage" });

const named = described("WorkerSession", { name: z.string() });

export const workerShape = described("WorkerSession", {
  id: z.string(),
  name: z.string(),
  parentSession: described("ParentSession", { name: z.string() }),
  parentWorker: named.nullable(),
  previous: named.nullable(),
  repositoryName: z.string(),
  worktree: described("Worktree", {
    branch: z.string(),
    path: z.string(),
    runner: z.string(),
    status: z.enum(WorktreeStatus),
  }).nullable(),
  branch: z.string(),
  base: z.string().nullable(),
  issue: z.string().nullable(),
  task: z.string(),
  agent: z.string(),
  capabilities: z.array(z.string()).nullable(),
  status: z.enum(WorkerStatus),
  statusReason: z.string().nullable(),
  failureCode: z.string().nullable(),
  summary: z.string().nullable(),
  exitCode: z.int().nullable(),
  signal: z.string().nullable(),
  attempt: z.int(),
  priority: z.int(),
  timeoutSeconds: z.int().nullable(),
  cleanup: z.enum(WorktreeCleanup),
  permissions: z.enum(PermissionPolicy).nullable(),
  push: z.boolean(),
  agentPush: z.boolean(),
  maxCostUsd: z.number().nullable(),
  maxTurns: z.int().nullable(),
  maxMemoryMib: z.int().nullable(),
  maxCpus: z.number().nullable(),
  maxProcesses: z.int().nullable(),
  sandbox: z.enum(WorkerSandbox).nullable(),
  blockedHosts: z.array(described("BlockedHost", blockedHostShape)),
  pushedTo: z.string().nullable(),
  diffStatistics: described("DiffStatistics", {
    filesChanged: z.int(),
    additions: z.int(),
    deletions: z.int(),
  }).nullable(),
  commitCount: z.int().nullable(),
  uncommittedFileCount: z.int().nullable(),
  usage: usageShape.nullable(),
  pendingPermissions: z.array(permissionShape),
  createdAt: dateTime,
  startedAt: dateTime.nullable(),
  finishedAt: dateTime.nullable(),
  lastSequence: z.int(),
});

export const worker = workerShape
  .extend({
    parentSession: z.string().describe("The name of the session that asked for it."),
    parentWorker: z
      .string()
      .nullable()
      .describe("The same, where that is itself a worker, and the caller may read it."),
    previous: z
      .string()
      .nullable()
      .describe("The name of the session that this one retries or follows up."),
  })
  .meta({ id: "WorkerSession" });

export function describeWorker(found: z.output<typeof workerShape>): z.output<typeof worker> {
  const { parentSession, parentWorker, previous } = found;
  return {
    ...found,
    parentSession: parentSession.name,
    parentWorker: parentWorker?.name ?? null,
    previous: previous?.name ?? null,
  };
}
