import type { AgentCapability } from "../../agents/definition.ts";
import type {
  PermissionPolicy,
  ReportOutcome,
  SandboxRequest,
  WorkerSandbox,
  WorkerStatus,
  WorktreeCleanup,
} from "../../generated/prisma/enums.ts";
import { builder } from "../../graphql/builder.ts";

export const WorkerStatusRef = builder.enumType("WorkerStatus", {
  description: "Where a session stands. The last five are final, and final is final.",
  values: {
    QUEUED: { description: "It waits for a free slot, or for its worktree." },
    PREPARING: { description: "Its repository is fetched and its worktree is checked out." },
    RUNNING: { description: "Its agent runs." },
    WAITING: { description: "Its agent waits for an answer to a permission request." },
    SUCCEEDED: { description: "It ended well: by its exit code, or as it reported." },
    FAILED: {
      description: "It ended badly, or could not start: see statusReason and failureCode.",
    },
    CANCELLED: { description: "Somebody cancelled it." },
    TIMED_OUT: { description: "It ran longer than its timeoutSeconds." },
    LOST: { description: "Nobody can tell what became of it." },
  } satisfies Record<WorkerStatus, object>,
});

export const WorktreeCleanupRef = builder.enumType("WorktreeCleanup", {
  description:
    "What becomes of the worktree when the session ends. Never deletes work that exists nowhere else.",
  values: {
    KEEP: { description: "It stays." },
    ON_SUCCESS: { description: "It is deleted where the session succeeded." },
    ALWAYS: { description: "It is deleted whatever became of the session." },
  } satisfies Record<WorktreeCleanup, object>,
});

export const PermissionPolicyRef = builder.enumType("PermissionPolicy", {
  description: "What a permission request of the agent meets.",
  values: {
    ASK: { description: "It waits for answerPermission; the session is WAITING meanwhile." },
    ALLOW: { description: "It is allowed: a worker is kept to its worktree." },
    DENY: { description: "It is rejected." },
  } satisfies Record<PermissionPolicy, object>,
});

export const WorkerSandboxRef = builder.enumType("WorkerSandbox", {
  description: "What a worker is kept in.",
  values: {
    BUBBLEWRAP: {
      description:
        "A sandbox of bubblewrap: it sees its worktree, the system's programs and no other process, and reaches listed hosts alone.",
    },
    NONE: { description: "Nothing: it can do what the server's user can." },
  } satisfies Record<WorkerSandbox, object>,
});

export const SandboxRequestRef = builder.enumType("SandboxRequest", {
  description: "Whether a worker is started in a sandbox, whatever FACTORY_SANDBOX says.",
  values: {
    REQUIRED: { description: "In one, or not at all: SANDBOX_UNAVAILABLE." },
    OFF: { description: "Without. Refused (FORBIDDEN) where FACTORY_SANDBOX is required." },
  } satisfies Record<SandboxRequest, object>,
});

export const ReportOutcomeRef = builder.enumType("ReportOutcome", {
  description: "What became of the work, by the worker's own word.",
  values: {
    SUCCEEDED: { description: "The work is done." },
    FAILED: { description: "The work could not be done." },
  } satisfies Record<ReportOutcome, object>,
});

export const AgentCapabilityRef = builder.enumType("AgentCapability", {
  description: "What can be done with an agent, as it is started.",
  values: {
    MESSAGES: {
      description:
        "sendMessage while it runs: its next turn. Without, messages to it are refused until it has ended.",
    },
    FOLLOW_UP: {
      description: "sendMessage after its end: a new session in the same worktree.",
    },
    RESUME: {
      description:
        "A follow-up goes on with the agent's own conversation, where its program still has it. Without, it begins a new one, with the earlier task and summary.",
    },
    PERMISSIONS_ASK: {
      description: "permissions: ASK. It asks, and answerPermission answers.",
    },
    PERMISSIONS_DENY: { description: "permissions: DENY." },
    MAX_COST_USD: { description: "maxCostUsd: it reports what it costs." },
    MAX_TURNS: { description: "maxTurns: it reports its turns." },
    COMMAND_TASK: { description: "Its task is a command line, and is run by bash." },
    TERMINAL_OUTPUT: {
      description:
        "All it does is print, for a terminal: there are output events, and no messages or tool calls.",
    },
  } satisfies Record<AgentCapability, object>,
});
