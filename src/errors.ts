/** Every code that clients may see, with the HTTP status that REST answers with. Codes never change. */
export const errorCodes = {
  BAD_INPUT: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  REPOSITORY_NOT_FOUND: 404,
  WORKTREE_NOT_FOUND: 404,
  WORKER_NOT_FOUND: 404,
  PERMISSION_NOT_FOUND: 404,
  BASE_NOT_FOUND: 404,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  AGENT_UNKNOWN: 400,
  AGENT_UNAVAILABLE: 400,
  NOT_SUPPORTED: 400,
  BRANCH_CONFLICT: 409,
  BRANCH_EXISTS: 409,
  WORKTREE_IN_USE: 409,
  WORKTREE_DIRTY: 409,
  REPOSITORY_IN_USE: 409,
  REPOSITORY_NOT_READY: 409,
  REPOSITORY_CONFLICT: 409,
  WORKER_NOT_RUNNING: 409,
  WORKER_NOT_ENDED: 409,
  PERMISSION_ALREADY_ANSWERED: 409,
  IDEMPOTENCY_MISMATCH: 409,
  CURSOR_AHEAD: 400,
  EVENTS_EXPIRED: 410,
  REMOTE_NOT_FOUND: 502,
  REMOTE_AUTH_FAILED: 502,
  REMOTE_UNREACHABLE: 502,
  LIMIT_EXCEEDED: 429,
  SANDBOX_UNAVAILABLE: 503,
  RUNNER_UNAVAILABLE: 503,
  SERVICE_UNAVAILABLE: 503,
  HOST_FAILURE: 507,
  INTERNAL: 500,
} as const;

export type ErrorCode = keyof typeof errorCodes;

/** Codes that stand in a session's failureCode alone, as no request fails with them: what became of its agent. */
export const agentFailureCodes = {
  RATE_LIMITED:
    "the model's server refuses requests because there were too many of late (HTTP 429)",
  USAGE_LIMIT: "the account has used up what its plan or its credit allows",
  OVERLOADED: "the model's server is overloaded or fails (HTTP 5xx)",
  CONTEXT_EXHAUSTED:
    "the conversation no longer fits the model, or its limit of tokens was reached",
  LOGIN_REQUIRED: "the agent has no login or key, or it was refused",
  MODEL_UNKNOWN: "the model doesn't exist, or the account may not use it",
  AGENT_CRASHED: "the agent's program ended before its turn did",
  AGENT_START_TIMEOUT:
    "the agent didn't answer within FACTORY_START_TIMEOUT, and not when it was started again",
  MEMORY_EXCEEDED: "it went over its memory cap, and it was ended with all that it had started",
} as const;

export type AgentFailureCode = keyof typeof agentFailureCodes;
export type FailureCode = ErrorCode | AgentFailureCode;

/** Codes come back from rows as plain text. */
export function isErrorCode(text: string | null): text is ErrorCode {
  return text !== null && text in errorCodes;
}

/** An expected failure: a stable code for programs, and a message that says what to do, for people. */
export class FactoryError extends Error {
  override readonly name = "FactoryError";
  readonly code: ErrorCode;
  /** Further facts for programs, e.g. firstSequence. */
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; facts?: Record<string, unknown> } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.facts = options.facts ?? {};
  }
}
