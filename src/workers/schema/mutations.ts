import { assertCommands, assertOperator, forbidden } from "../../access/viewer.ts";
import { builder } from "../../graphql/builder.ts";
import { NetworkInputRef, readNetworkInput } from "../../repositories/schema-network.ts";
import { RepositoryInputRef } from "../../repositories/schema.ts";
import {
  PermissionPolicyRef,
  ReportOutcomeRef,
  SandboxRequestRef,
  WorktreeCleanupRef,
} from "./enums.ts";
import { WorkerSessionRef } from "./worker-session.ts";
import type { Dispatched } from "../dispatch.ts";

const workerId = "The worker's global id, or its name (worker-17).";

const DispatchWorkerInput = builder.inputType("DispatchWorkerInput", {
  description: "What is to be done, by whom, and where.",
  fields: (t) => ({
    parentSession: t.string({
      required: true,
      description:
        "Who asks: any name that the parent chooses, 200 bytes at most. The form worker-N is a worker's name, and makes this a child of that worker, which must exist.",
    }),
    task: t.string({
      required: true,
      description:
        "What the worker is to do: the agent's prompt (for the agent shell, the command line to run). 100,000 bytes at most.",
    }),
    repository: t.field({
      type: RepositoryInputRef,
      description:
        "May be left out where issue is a URL that names owner and repository; given too, it wins.",
    }),
    issue: t.string({
      description: "The issue that the work is for: a number, a key or a URL. 2,000 bytes at most.",
    }),
    branch: t.string({
      description:
        "Default: issue-42 from the issue's number, else the session's name; where that branch exists already, with -worker-N behind it.",
    }),
    base: t.string({
      description:
        "A branch, tag or commit that the branch is made from. Default: the remote's default branch, freshly fetched.",
    }),
    agent: t.string({ defaultValue: "claude", description: "One of Query.agents." }),
    priority: t.int({
      defaultValue: 0,
      description:
        "Higher runs first; -1,000,000 to 1,000,000. With a worker's token: the worker's own at most, also where that is below the default.",
    }),
    timeoutSeconds: t.int({
      description:
        "Counted from RUNNING, waiting included; 1 to 1,728,000. Default: none. With a worker's token: the worker's own is the default and the most; the same holds for retries, maxCostUsd and maxTurns.",
    }),
    cleanup: t.field({
      type: WorktreeCleanupRef,
      defaultValue: "KEEP",
      description: "What becomes of the worktree at the end.",
    }),
    retries: t.int({
      defaultValue: 0,
      description:
        "How often it may start again on another runner when its runner is lost; 0 to 10. Each start gets a worktree and an attempt of its own.",
    }),
    permissions: t.field({
      type: PermissionPolicyRef,
      description:
        "What the agent's permission requests meet. Default: the parent worker's, else FACTORY_PERMISSIONS. With a worker's token: no more than the worker's own.",
    }),
    push: t.boolean({
      defaultValue: false,
      description:
        "Push the branch when the work succeeded, never by force. Where that fails, where work isn't committed, where commits were made in the worktree but not on the branch, or where the end comes in the middle of a rebase, merge, cherry-pick, revert or bisect, the session is FAILED (WORKTREE_DIRTY, BRANCH_CONFLICT and others), and the work stays in its worktree. With a worker's token: only where the worker's own session has it, and to a branch that the worker or its descendants made; never to the default branch.",
    }),
    agentPush: t.boolean({
      defaultValue: false,
      description:
        "Let the agent push its branch itself while it works, from its sandbox, by `git push`: that branch alone, never by force, and it never holds the credentials. Without a sandbox nothing is done for it. With a worker's token: as push.",
    }),
    maxCostUsd: t.float({
      description:
        "In US dollars, above 0. Reaching it interrupts the agent gently, then ends it. Default: no limit.",
    }),
    maxTurns: t.int({
      description:
        "How often the model may be asked, 1 or more. Reaching it interrupts the agent gently, then ends it. Default: no limit.",
    }),
    sandbox: t.field({
      type: SandboxRequestRef,
      description:
        "Default: the parent worker's, else as FACTORY_SANDBOX says where it runs. With a worker's token OFF is FORBIDDEN, unless the worker itself has it.",
    }),
    network: t.field({
      type: NetworkInputRef,
      description:
        "Hosts that it may reach from its sandbox, beside those of FACTORY_NETWORK and of its repository. With a worker's token: the worker's own is the default, and nothing more may be opened.",
    }),
    maxMemoryMib: t.int({
      description:
        "MiB of memory that the agent and all that it starts may have together, 64 or more; over it they all end, and the session is FAILED with MEMORY_EXCEEDED. Default: FACTORY_WORKER_MEMORY where it runs, which also holds where it is lower. With a worker's token: the worker's own is the default and the most; the same holds for maxCpus and maxProcesses. HOST_FAILURE where its machine can't hold it to one of them.",
    }),
    maxCpus: t.float({
      description:
        "Processors that they may use at a time, 0.1 to 1,024. Default: FACTORY_WORKER_CPUS, which also holds where it is lower.",
    }),
    maxProcesses: t.int({
      description:
        "Processes and threads that they may be, 16 to 1,000,000; further ones are refused. Default: FACTORY_WORKER_PROCESSES, which also holds where it is lower.",
    }),
    idempotencyKey: t.string({
      description:
        "Per parent, kept for ever, checked first: the same key with the same input returns the first session, with created: false, however often and however concurrently it is sent; with another input IDEMPOTENCY_MISMATCH.",
    }),
  }),
});

const CancelWorkerInput = builder.inputType("CancelWorkerInput", {
  description: "Which worker to cancel.",
  fields: (t) => ({
    id: t.id({ required: true, description: workerId }),
    reason: t.string({ description: "Shown to those who watch it." }),
    children: t.boolean({
      defaultValue: false,
      description:
        "Also the workers that it dispatched, and those that they dispatched, where they have not ended; also where it has ended itself.",
    }),
  }),
});

const RetryWorkerInput = builder.inputType("RetryWorkerInput", {
  description: "Which worker's work to dispatch again.",
  fields: (t) => ({
    id: t.id({ required: true, description: workerId }),
    idempotencyKey: t.string({ description: "As for dispatchWorker." }),
  }),
});

const AllowHostInput = builder.inputType("AllowHostInput", {
  description: "A host that a worker may reach.",
  fields: (t) => ({
    id: t.id({ required: true, description: workerId }),
    host: t.string({
      required: true,
      description:
        "Such as example.com, *.example.com, git.example.com:8443 or 10.0.0.5:*; without a port: 80 and 443.",
    }),
    forRepository: t.boolean({
      defaultValue: false,
      description: "Also for the workers of its repository that start from now on.",
    }),
  }),
});

const ReportWorkerInput = builder.inputType("ReportWorkerInput", {
  description: "What a worker tells its parent.",
  fields: (t) => ({
    message: t.string({ required: true, description: "Shown to the parent as it is." }),
    outcome: t.field({ type: ReportOutcomeRef, description: "What became of the work." }),
  }),
});

const DispatchWorkerPayload = builder.objectRef<Dispatched>("DispatchWorkerPayload").implement({
  description: "A session that was queued.",
  fields: (t) => ({
    worker: t.prismaField({
      type: WorkerSessionRef,
      description: "The session.",
      resolve: (query, { worker }, _args, { prisma }) =>
        prisma.workerSession.findUniqueOrThrow({ ...query, where: { id: worker.id } }),
    }),
    created: t.exposeBoolean("created", {
      description: "false: the idempotencyKey was used before, and this is the session of then.",
    }),
  }),
});

const CancelWorkerPayload = workerPayload("CancelWorkerPayload", "A session to be cancelled.");
const AllowHostPayload = workerPayload("AllowHostPayload", "The session that may reach the host.");
const ReportWorkerPayload = workerPayload("ReportWorkerPayload", "The session that reported.");

export function workerPayload(name: string, description: string) {
  return builder.objectRef<{ readonly id: string }>(name).implement({
    description,
    fields: (t) => ({
      worker: t.prismaField({
        type: WorkerSessionRef,
        description: "The session.",
        resolve: (query, { id }, _args, { prisma }) =>
          prisma.workerSession.findUniqueOrThrow({ ...query, where: { id } }),
      }),
    }),
  });
}

builder.mutationFields((t) => ({
  dispatchWorker: t.field({
    type: DispatchWorkerPayload,
    nullable: true,
    description:
      "Records the session, queues it, and returns at once (status QUEUED): clones the repository if needed, creates the worktree, starts the agent in it. With a worker's token: its own name as parent, its own repository, no branch that another session works on, or has worked on in a worktree that is still there, and at most the worker's own push, priority, retries, limits and permissions; else FORBIDDEN, with the values that are too high. Errors: BAD_INPUT, AGENT_UNKNOWN, AGENT_UNAVAILABLE, NOT_SUPPORTED where the agent can't be held to permissions, maxCostUsd or maxTurns, WORKER_NOT_FOUND, BRANCH_CONFLICT, REPOSITORY_NOT_READY, IDEMPOTENCY_MISMATCH, LIMIT_EXCEEDED, FORBIDDEN, WORKER_NOT_RUNNING where the worker that asks was cancelled. What fails later stands in the session's failureCode.",
    args: {
      input: t.arg({ type: DispatchWorkerInput, required: true, description: "The work." }),
    },
    resolve: (_root, { input }, { viewer, workers }) =>
      workers.dispatch(
        {
          parentSession: input.parentSession,
          task: input.task,
          repository: input.repository ?? undefined,
          issue: input.issue ?? undefined,
          branch: input.branch ?? undefined,
          base: input.base ?? undefined,
          agent: input.agent ?? "claude",
          priority: input.priority ?? 0,
          timeoutSeconds: input.timeoutSeconds ?? undefined,
          cleanup: input.cleanup ?? "KEEP",
          retries: input.retries == null || input.retries === 0 ? undefined : input.retries,
          permissions: input.permissions ?? undefined,
          push: input.push === true ? true : undefined,
          agentPush: input.agentPush === true ? true : undefined,
          maxCostUsd: input.maxCostUsd ?? undefined,
          maxTurns: input.maxTurns ?? undefined,
          sandbox: input.sandbox ?? undefined,
          network: input.network == null ? undefined : readNetworkInput(input.network),
          maxMemoryMib: input.maxMemoryMib ?? undefined,
          maxCpus: input.maxCpus ?? undefined,
          maxProcesses: input.maxProcesses ?? undefined,
          idempotencyKey: input.idempotencyKey ?? undefined,
        },
        viewer,
      ),
  }),
  cancelWorker: t.field({
    type: CancelWorkerPayload,
    nullable: true,
    description:
      "Returns at once with the intent recorded, which beats a later exit 0. Ends all of the worker's processes: SIGTERM, then SIGKILL after the grace period. Cancelling an ended session changes nothing. Errors: BAD_INPUT, WORKER_NOT_FOUND, FORBIDDEN.",
    args: {
      input: t.arg({ type: CancelWorkerInput, required: true, description: "Which worker." }),
    },
    async resolve(_root, { input: { id, reason, children } }, { viewer, workers }) {
      const session = await workers.get(id);
      assertCommands(viewer, session);
      return workers.cancel(session.id, reason ?? undefined, { children: children === true });
    },
  }),
  retryWorker: t.field({
    type: DispatchWorkerPayload,
    nullable: true,
    description:
      "Dispatches the same work again as a new session (previous tells which), in the same worktree where it still exists. Errors: WORKER_NOT_ENDED before the end, and those of dispatchWorker.",
    args: {
      input: t.arg({ type: RetryWorkerInput, required: true, description: "Which worker." }),
    },
    async resolve(_root, { input: { id, idempotencyKey } }, { viewer, workers }) {
      const session = await workers.get(id);
      assertCommands(viewer, session);
      return workers.retry(session, idempotencyKey ?? undefined, viewer);
    },
  }),
  allowHost: t.field({
    type: AllowHostPayload,
    nullable: true,
    description:
      "Lets a worker in a sandbox reach a host, at once while it runs; what it was refused before it has to ask again. One that has ended takes it for its repository alone. Operator only. Errors: BAD_INPUT, WORKER_NOT_FOUND, WORKER_NOT_RUNNING, REPOSITORY_NOT_FOUND, FORBIDDEN.",
    args: {
      input: t.arg({ type: AllowHostInput, required: true, description: "Which host for whom." }),
    },
    async resolve(_root, { input: { id, host, forRepository } }, { viewer, workers }) {
      assertOperator(viewer);
      const session = await workers.get(id);
      return workers.allowHost(session.id, { host, forRepository: forRepository === true });
    },
  }),
  reportWorker: t.field({
    type: ReportWorkerPayload,
    nullable: true,
    description:
      "Called by a worker with its own token: tells its parent something, and with outcome what became of the work. The process goes on; at its exit CANCELLED, TIMED_OUT and LOST win, then the last reported outcome, then the agent's own. Errors: BAD_INPUT, WORKER_NOT_RUNNING, FORBIDDEN with any other token.",
    args: {
      input: t.arg({ type: ReportWorkerInput, required: true, description: "What to tell." }),
    },
    resolve(_root, { input: { message, outcome } }, { viewer, workers }) {
      if (viewer.kind !== "worker") throw forbidden("only a worker reports, with its own token");
      return workers.report(viewer.sessionId, { message, outcome: outcome ?? null });
    },
  }),
}));
