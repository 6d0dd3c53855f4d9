import { forbidden, type Viewer } from "../access/viewer.ts";
import { assertAgentSupports } from "../agents/capabilities.ts";
import type { AgentListing } from "../agents/definition.ts";
import type { Database, PrismaClient } from "../database/client.ts";
import { isUniqueViolation } from "../database/errors.ts";
import { FactoryError } from "../errors.ts";
import { appendEvents } from "../events/append.ts";
import type { Repository, WorkerSession } from "../generated/prisma/client.ts";
import type { PermissionPolicy } from "../generated/prisma/enums.ts";
import { step } from "../measurements.ts";
import type { WorkQueue } from "../queue/queue.ts";
import type { RepositoryName, RepositoryService } from "../repositories/service.ts";
import { currentTrace, withTrace } from "../trace-context.ts";
import { assertNoBranchConflict } from "../worktrees/plan.ts";
import { assertNotOthersBranch, chooseBranch } from "./branch.ts";
import { assertMayHaveChild, type ChildLimits } from "./children.ts";
import { queueTopic, workerStreamKey } from "./events.ts";
import { workerName } from "./find.ts";
import {
  checkDispatch,
  checkKey,
  checkParentName,
  hashInput,
  repositoryOf,
  type DispatchInput,
} from "./input.ts";
import { holdToOwnLimits } from "./own-limits.ts";
import { assertBudgetLeft } from "./parent-budget.ts";
import { requireParent } from "./parent.ts";
import { choosePolicy, type PolicyDependencies } from "./policy.ts";
import { assertMayPush } from "./push-rules.ts";
import { statusAppends, withStreams } from "./record.ts";
import type { Redact } from "./secrets.ts";
import { agentTraceOf } from "./trace.ts";

/** More would be a runaway parent, not work. */
export const mostQueued = 10_000;

export interface Dispatched {
  readonly worker: WorkerSession;
  readonly created: boolean;
}

export interface DispatchDependencies extends PolicyDependencies {
  readonly prisma: PrismaClient;
  readonly queue: WorkQueue;
  readonly repositories: RepositoryService;
  readonly limits: ChildLimits;
  /** Leaves secrets out. */
  readonly redact: Redact;
}

/** What a retry adds to the input of the session that it repeats. */
export interface Repeat {
  readonly previousId: string;
  /** Says what was asked for, so that a repeated call under the same key is known. */
  readonly inputHash: string;
  /** It goes on with that session's conversation. Default: it begins anew. */
  readonly isFollowUp?: boolean;
}

/**
 * Records the session and queues it, in one transaction.
 * @throws FactoryError BAD_INPUT, AGENT_UNKNOWN, AGENT_UNAVAILABLE, NOT_SUPPORTED, WORKER_NOT_FOUND,
 * BRANCH_CONFLICT, REPOSITORY_CONFLICT, LIMIT_EXCEEDED, IDEMPOTENCY_MISMATCH; with a worker's token also
 * FORBIDDEN, WORKER_NOT_RUNNING
 */
export async function dispatch(
  deps: DispatchDependencies,
  input: DispatchInput,
  viewer: Viewer,
  repeat?: Repeat,
): Promise<Dispatched> {
  const facts = { agent: input.agent, parentSession: input.parentSession };
  const trace = currentTrace() ?? (await traceOfDispatcher(deps.prisma, viewer));
  return withTrace(trace, () =>
    step("dispatch", { facts, beginsTrace: true }, async (note) => {
      const dispatched = await dispatchWithin(deps, input, viewer, repeat);
      note({ worker: workerName(dispatched.worker), created: dispatched.created });
      return dispatched;
    }),
  );
}

/** A worker's children belong to its own trace. */
async function traceOfDispatcher(
  prisma: PrismaClient,
  viewer: Viewer,
): Promise<string | undefined> {
  if (viewer.kind === "operator") return undefined;
  const select = { id: true, number: true, attempt: true, traceparent: true } as const;
  const worker = await prisma.workerSession.findUnique({
    where: { id: viewer.sessionId },
    select,
  });
  return worker === null ? undefined : agentTraceOf(worker);
}

async function dispatchWithin(
  deps: DispatchDependencies,
  asked: DispatchInput,
  viewer: Viewer,
  repeat: Repeat | undefined,
): Promise<Dispatched> {
  checkParentName(asked.parentSession);
  if (asked.idempotencyKey !== undefined) checkKey(asked.idempotencyKey);
  const inputHash = repeat?.inputHash ?? hashInput("dispatch", asked);
  const first = await findByKey(deps.prisma, asked, inputHash);
  if (first !== undefined) return { worker: first, created: false };

  checkDispatch(asked);
  const agent = await deps.agents.requireAvailable(asked.agent);
  const input = await holdToViewer(deps, asked, agent, viewer);
  assertAgentSupports(agent, input);
  const permissions = await choosePolicy(deps, input, agent, viewer);
  const repositoryName = repositoryOf(input);
  try {
    const { worker, repository } = await deps.prisma.$transaction((transaction) =>
      record(deps, transaction, input, { repositoryName, permissions, inputHash, viewer, repeat }),
    );
    deps.repositories.begin(repository);
    return { worker, created: true };
  } catch (error) {
    // The same key was used at the same moment: theirs is the first session.
    const winner = isUniqueViolation(error)
      ? await findByKey(deps.prisma, input, inputHash)
      : undefined;
    if (winner !== undefined) return { worker: winner, created: false };
    throw error;
  }
}

/** @throws FactoryError FORBIDDEN */
async function holdToViewer(
  { prisma, repositories }: DispatchDependencies,
  asked: DispatchInput,
  agent: AgentListing,
  viewer: Viewer,
): Promise<DispatchInput> {
  if (viewer.kind === "operator") return asked;
  const own = await prisma.workerSession.findUniqueOrThrow({ where: { id: viewer.sessionId } });
  const input = holdToOwnLimits(asked, own, agent);
  const { push, agentPush, branch } = input;
  const repository = await repositories.find(repositoryOf(input));
  if ((push ?? agentPush) === true && branch !== undefined && repository !== null) {
    const git = repositories.isHome(repository) ? repositories.open(repository) : undefined;
    await assertMayPush(prisma, git, { dispatcherId: own.id, repository, branch });
  }
  return input;
}

/** A worker dispatches as itself, to its own repository. @throws FactoryError FORBIDDEN, BAD_INPUT */
export async function assertMayDispatch(
  repositories: RepositoryService,
  input: DispatchInput,
  viewer: Viewer,
): Promise<void> {
  if (viewer.kind === "operator") return;
  if (input.parentSession !== viewer.name) {
    throw forbidden(
      `a worker's token dispatches with its own name as parentSession: ${viewer.name}`,
    );
  }
  const repository = await repositories.find(repositoryOf(input));
  if (repository?.id !== viewer.repositoryId) {
    throw forbidden("a worker's token dispatches to its own repository alone");
  }
}

async function findByKey(
  prisma: PrismaClient,
  { parentSession, idempotencyKey }: DispatchInput,
  inputHash: string,
): Promise<WorkerSession | undefined> {
  if (idempotencyKey === undefined) return undefined;
  const found = await prisma.workerSession.findFirst({
    where: { idempotencyKey, parentSession: { name: parentSession } },
  });
  if (found === null) return undefined;
  if (found.inputHash === inputHash) return found;
  throw new FactoryError(
    "IDEMPOTENCY_MISMATCH",
    `the idempotencyKey ${idempotencyKey} was used by ${workerName(found)} with another input: use a new key for new work`,
  );
}

interface RecordOptions {
  readonly repositoryName: RepositoryName;
  readonly permissions: PermissionPolicy | null;
  readonly inputHash: string;
  readonly viewer: Viewer;
  readonly repeat: Repeat | undefined;
}

async function record(
  deps: DispatchDependencies,
  transaction: Database,
  input: DispatchInput,
  { repositoryName, permissions, inputHash, viewer, repeat }: RecordOptions,
): Promise<{ worker: WorkerSession; repository: Repository }> {
  await assertQueueHasRoom(transaction);
  const parent = await requireParent(transaction, input.parentSession);
  await assertBudgetLeft(transaction, {
    parentSessionId: parent.id,
    ancestorIds: parent.ancestors,
  });
  const repository = await deps.repositories.require(transaction, repositoryName);
  const number = await nextNumber(transaction);
  const branch =
    input.branch ?? (await chooseBranch(deps, transaction, { input, repository, number }));
  await assertBranchFits(transaction, repository.id, branch);
  await assertNotOthersBranch(transaction, viewer, { repositoryId: repository.id, branch });
  if (parent.worker !== undefined) {
    await assertMayHaveChild(transaction, deps.limits, {
      parentWorkerId: parent.worker,
      ancestorIds: parent.ancestors,
      parentName: input.parentSession,
      viewer,
    });
  }

  const session = await transaction.workerSession.create({
    data: {
      number,
      status: "QUEUED",
      task: input.task,
      agent: input.agent,
      branch,
      branchGiven: input.branch !== undefined,
      base: input.base ?? null,
      issue: input.issue ?? null,
      priority: input.priority,
      timeoutSeconds: input.timeoutSeconds ?? null,
      cleanup: input.cleanup,
      retries: input.retries ?? 0,
      permissions,
      push: input.push ?? false,
      agentPush: input.agentPush ?? false,
      maxCostUsd: input.maxCostUsd ?? null,
      maxTurns: input.maxTurns ?? null,
      sandboxRequest: input.sandbox ?? null,
      network: input.network ?? null,
      maxMemoryMib: input.maxMemoryMib ?? null,
      maxCpus: input.maxCpus ?? null,
      maxProcesses: input.maxProcesses ?? null,
      idempotencyKey: input.idempotencyKey ?? null,
      inputHash,
      traceparent: currentTrace() ?? null,
      dispatcherId: viewer.kind === "worker" ? viewer.sessionId : null,
      isFollowUp: repeat?.isFollowUp ?? false,
      previous: repeat === undefined ? {} : { connect: { id: repeat.previousId } },
      repository: { connect: { id: repository.id } },
      repositoryOwner: repository.owner,
      repositoryName: repository.name,
      parentSession: { connect: { id: parent.id } },
      ...(parent.worker === undefined ? {} : { parentWorker: { connect: { id: parent.worker } } }),
      ancestorIds: parent.ancestors,
      stream: { create: { key: workerStreamKey(number) } },
    },
    include: withStreams,
  });
  await deps.queue.send(transaction, {
    sessionId: session.id,
    priority: session.priority,
    group: groupOf(session),
  });
  await appendEvents(transaction, statusAppends(session, null), [queueTopic]);
  return { worker: session, repository };
}

/** Sessions of one branch run one after the other. */
export function groupOf(session: Pick<WorkerSession, "repositoryId" | "branch">): string {
  return `${session.repositoryId ?? ""}/${session.branch}`;
}

async function assertQueueHasRoom(transaction: Database): Promise<void> {
  const queued = await transaction.workerSession.count({
    where: { status: "QUEUED" },
    take: mostQueued,
  });
  if (queued < mostQueued) return;
  throw new FactoryError(
    "LIMIT_EXCEEDED",
    `${String(mostQueued)} sessions are queued already: wait until some have run, or cancel some`,
  );
}

async function nextNumber(transaction: Database): Promise<number> {
  const [row] = await transaction.$queryRaw<{ number: number }[]>`
    SELECT nextval(pg_get_serial_sequence('"WorkerSession"', 'number'))::int AS number`;
  if (row === undefined) throw new Error("the sequence gave no number");
  return row.number;
}

/** Against worktrees and unfinished sessions; refs that git alone knows are checked when it is prepared. */
async function assertBranchFits(
  transaction: Database,
  repositoryId: string,
  branch: string,
): Promise<void> {
  const [worktrees, sessions] = await Promise.all([
    transaction.worktree.findMany({ where: { repositoryId }, select: { branch: true } }),
    transaction.workerSession.findMany({
      where: { repositoryId, finishedAt: null },
      select: { branch: true },
      distinct: ["branch"],
    }),
  ]);
  assertNoBranchConflict(branch, new Set([...worktrees, ...sessions].map((row) => row.branch)));
}
