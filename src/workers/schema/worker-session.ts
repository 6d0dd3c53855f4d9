import { agentFailureCodes } from "../../errors.ts";
import { canSeeWorker, visibleWorkers, type Viewer } from "../../access/viewer.ts";
import type { Prisma, WorkerSession } from "../../generated/prisma/client.ts";
import { builder, encodeGlobalId } from "../../graphql/builder.ts";
import { NetworkRef, showNetwork } from "../../repositories/schema-network.ts";
import type { WorkerBlockedPayload } from "../events.ts";
import { workerName } from "../find.ts";
import { readBlocked } from "../sandbox/refusals.ts";
import {
  PermissionPolicyRef,
  WorkerSandboxRef,
  WorkerStatusRef,
  WorktreeCleanupRef,
} from "./enums.ts";

/** "RATE_LIMITED (the model's server …), …" */
function describeAgentCodes(): string {
  return Object.entries(agentFailureCodes)
    .map(([code, meaning]) => `${code} (${meaning})`)
    .join(", ");
}

interface Commit {
  readonly id: string;
  readonly subject: string;
  readonly authorName: string;
  readonly committedAt: Date;
}

const CommitRef = builder.objectRef<Commit>("Commit").implement({
  description: "A git commit.",
  fields: (t) => ({
    id: t.exposeString("id", { description: "The whole commit id." }),
    subject: t.exposeString("subject", { description: "The first line of its message." }),
    authorName: t.exposeString("authorName", { description: "Who wrote it." }),
    committedAt: t.expose("committedAt", { type: "DateTime", description: "When it was made." }),
  }),
});

export const BlockReasonRef = builder.enumType("BlockReason", {
  description: "Why a worker was refused a host.",
  values: {
    UNLISTED: { description: "No list has it.", value: "unlisted" },
    PRIVATE: {
      description:
        "A list has it, but its addresses are private, and no list has its whole name and port.",
      value: "private",
    },
  } as const,
});

const BlockedHostRef = builder.objectRef<WorkerBlockedPayload>("BlockedHost").implement({
  description: "A host that a worker was refused.",
  fields: (t) => ({
    host: t.exposeString("host", { description: "A name in lower case, or an address." }),
    port: t.exposeInt("port", { description: "Of TCP." }),
    blockReason: t.expose("reason", { type: BlockReasonRef, description: "Why." }),
  }),
});

const DiffStatisticsRef = builder
  .objectRef<{ filesChanged: number; additions: number; deletions: number }>("DiffStatistics")
  .implement({
    description: "How much was changed. A binary file counts as a file, and has no lines.",
    fields: (t) => ({
      filesChanged: t.exposeInt("filesChanged", { description: "Files that differ." }),
      additions: t.exposeInt("additions", { description: "Lines that came." }),
      deletions: t.exposeInt("deletions", { description: "Lines that went." }),
    }),
  });

export const UsageRef = builder
  .objectRef<{ inputTokens: number; outputTokens: number; costUsd: number | null }>("Usage")
  .implement({
    description: "What an agent has used.",
    fields: (t) => ({
      inputTokens: t.exposeInt("inputTokens", { description: "Tokens read by the model." }),
      outputTokens: t.exposeInt("outputTokens", { description: "Tokens written by the model." }),
      costUsd: t.exposeFloat("costUsd", {
        nullable: true,
        description: "In US dollars, where the agent tells it.",
      }),
    }),
  });

/**
 * What every session is read with: what lists show. What may be long, a task or its commits, and what few
 * ask for is read where it is selected, as each column of a list of 100 costs about 0.05 ms.
 */
const alwaysRead = {
  id: true,
  number: true,
  status: true,
  statusReason: true,
  branch: true,
  agent: true,
  exitCode: true,
  attempt: true,
  priority: true,
  repositoryOwner: true,
  repositoryName: true,
  createdAt: true,
  startedAt: true,
  finishedAt: true,
} as const satisfies Prisma.WorkerSessionSelect;

export const WorkerSessionRef = builder.prismaObject("WorkerSession", {
  description: "A task, and the agent that works on it in a worktree of its own.",
  interfaces: [builder.nodeInterfaceRef()],
  findUnique: ({ id }) => ({ id }),
  select: alwaysRead,
  fields: (t) => ({
    // Not by Pothos's own node and expose methods: their id is a promise each, and what they select is
    // looked up for every field of every row. A list of 100 takes half as long without.
    id: t.id({
      description: "The global id, for node(id:).",
      resolve: ({ id }) => encodeGlobalId("WorkerSession", id),
    }),
    name: t.string({
      description: "worker-1, worker-2, …: unique, short, for people.",
      resolve: workerName,
    }),
    parentSession: t.relation("parentSession", {
      description: "The session that asked for it, and hears of it.",
    }),
    repository: t.relation("repository", {
      nullable: true,
      description: "null once the repository was deleted; its name stays.",
    }),
    repositoryName: t.string({
      description: "owner/name",
      resolve: (session) => `${session.repositoryOwner}/${session.repositoryName}`,
    }),
    worktree: t.relation("worktree", {
      nullable: true,
      description: "null until created, and after cleanup.",
    }),
    branch: t.string({
      resolve: ({ branch }) => branch,
      description: "The branch that it works on.",
    }),
    base: t.exposeString("base", {
      nullable: true,
      description: "What the branch was to be made from, as dispatched.",
    }),
    issue: t.exposeString("issue", { nullable: true, description: "As dispatched." }),
    task: t.exposeString("task", { description: "As dispatched." }),
    agent: t.string({
      resolve: ({ agent }) => agent,
      description: "The agent's name.",
    }),
    status: t.field({
      resolve: ({ status }) => status,
      type: WorkerStatusRef,
      description: "Where it stands.",
    }),
    statusReason: t.string({
      nullable: true,
      description:
        "Why it has this status: the queue's reason, what a running agent waits for, the failure, who cancelled. Fit to show to a person; failureCode is for programs.",
      resolve: ({ id, status, statusReason }, _args, { loaders }) =>
        status === "QUEUED" ? loaders.queueReason.load(id) : statusReason,
    }),
    failureCode: t.exposeString("failureCode", {
      nullable: true,
      description: `An error code where one fits, else null: of a request's where the session failed before its agent could, reached a limit, or its branch could not be pushed; and of its agent ${describeAgentCodes()}.`,
    }),
    summary: t.exposeString("summary", {
      nullable: true,
      description: "What the worker reported at its end, else the agent's last message.",
    }),
    exitCode: t.int({
      resolve: ({ exitCode }) => exitCode,
      nullable: true,
      description: "The agent's; null until it has ended, or where a signal ended it.",
    }),
    signal: t.exposeString("signal", {
      nullable: true,
      description: "The signal that ended the agent, such as SIGKILL.",
    }),
    attempt: t.int({
      resolve: ({ attempt }) => attempt,
      description:
        "Starts of this session: 1, and one more for each runner that was lost under it.",
    }),
    priority: t.int({
      resolve: ({ priority }) => priority,
      description: "Higher runs first.",
    }),
    timeoutSeconds: t.exposeInt("timeoutSeconds", {
      nullable: true,
      description: "Counted from RUNNING, waiting included.",
    }),
    cleanup: t.expose("cleanup", {
      type: WorktreeCleanupRef,
      description: "What becomes of the worktree at the end.",
    }),
    permissions: t.expose("permissions", {
      type: PermissionPolicyRef,
      nullable: true,
      description: "As dispatched; null: as FACTORY_PERMISSIONS says where it runs.",
    }),
    push: t.exposeBoolean("push", {
      description: "Whether its branch is to be pushed when it has succeeded.",
    }),
    agentPush: t.exposeBoolean("agentPush", {
      description: "Whether it may push its branch itself, from its sandbox.",
    }),
    maxCostUsd: t.exposeFloat("maxCostUsd", {
      nullable: true,
      description: "As dispatched, in US dollars; null: no limit.",
    }),
    maxTurns: t.exposeInt("maxTurns", {
      nullable: true,
      description: "As dispatched; null: no limit.",
    }),
    sandbox: t.expose("sandbox", {
      type: WorkerSandboxRef,
      nullable: true,
      description: "What its agent was started in; null until it starts.",
    }),
    network: t.field({
      type: NetworkRef,
      nullable: true,
      description:
        "What it may reach beside FACTORY_NETWORK and its repository's list; null: nothing more.",
      select: { network: true },
      resolve: ({ network }) => showNetwork(network),
    }),
    maxMemoryMib: t.exposeInt("maxMemoryMib", {
      nullable: true,
      description: "As dispatched, in MiB; null: as FACTORY_WORKER_MEMORY says where it runs.",
    }),
    maxCpus: t.exposeFloat("maxCpus", {
      nullable: true,
      description: "As dispatched; null: as FACTORY_WORKER_CPUS says where it runs.",
    }),
    maxProcesses: t.exposeInt("maxProcesses", {
      nullable: true,
      description: "As dispatched; null: as FACTORY_WORKER_PROCESSES says where it runs.",
    }),
    blockedHosts: t.field({
      type: [BlockedHostRef],
      description:
        "What its sandbox has refused it, each host and port once, 200 at most; see WorkerBlockedEvent and allowHost.",
      select: { blocked: true },
      resolve: ({ blocked }) => readBlocked(blocked),
    }),
    pushedTo: t.exposeString("pushedTo", {
      nullable: true,
      description:
        "Where its branch was pushed to: the remote's url, without credentials, and the ref.",
    }),
    diffStatistics: t.field({
      type: DiffStatisticsRef,
      nullable: true,
      description:
        "What its branch holds at its end against where it started; null before the end, or where that is unknown.",
      select: { filesChanged: true, linesAdded: true, linesRemoved: true },
      resolve: ({ filesChanged, linesAdded, linesRemoved }) =>
        filesChanged === null || linesAdded === null || linesRemoved === null
          ? null
          : { filesChanged, additions: linesAdded, deletions: linesRemoved },
    }),
    commits: t.field({
      type: [CommitRef],
      description: "Commits that it added, oldest first; 1,000 at most.",
      select: { commits: true, runnerId: true },
      resolve: async (session, _args, { workers }) => [...(await workers.commits(session))],
    }),
    commitCount: t.exposeInt("commitCount", {
      nullable: true,
      description:
        "How many commits its branch got, also beyond those that commits lists; counted when its processes had ended. null before the end, or where that is unknown.",
    }),
    uncommittedFileCount: t.exposeInt("uncommittedFileCount", {
      nullable: true,
      description:
        "How many files it left changed or untracked in its worktree, ignored ones excepted. null before the end, or where that is unknown.",
    }),
    usage: t.field({
      type: UsageRef,
      nullable: true,
      description: "What the agent has used, where it tells it.",
      select: { inputTokens: true, outputTokens: true, costUsd: true },
      resolve: ({ inputTokens, outputTokens, costUsd }) =>
        inputTokens === null || outputTokens === null
          ? null
          : { inputTokens, outputTokens, costUsd },
    }),
    createdAt: t.field({
      resolve: ({ createdAt }) => createdAt,
      type: "DateTime",
      description: "When it was dispatched.",
    }),
    startedAt: t.field({
      resolve: ({ startedAt }) => startedAt,
      type: "DateTime",
      nullable: true,
      description: "When it became RUNNING first.",
    }),
    finishedAt: t.field({
      resolve: ({ finishedAt }) => finishedAt,
      type: "DateTime",
      nullable: true,
      description: "When it got its final status.",
    }),
    lastSequence: t.int({
      description: "The sequence of its latest event: where a new subscriber starts from.",
      select: { stream: { select: { lastSequence: true } } },
      resolve: ({ stream }) => stream.lastSequence,
    }),
  }),
});

/** Each is somebody's doing: there are few. */
const mostNext = 20;

/** What tells whether the viewer may see it. */
const readWithAncestors = { select: { ...alwaysRead, ancestorIds: true } } as const;

builder.prismaObjectFields(WorkerSessionRef, (t) => ({
  parentWorker: t.field({
    type: WorkerSessionRef,
    nullable: true,
    description:
      "Set where the parent session is itself a worker; null too where a worker's token asks for one above its own.",
    select: (_args, _context, nested) => ({ parentWorker: nested(readWithAncestors) }),
    resolve: ({ parentWorker }, _args, { viewer }) => seen(viewer, parentWorker),
  }),
  previous: t.field({
    type: WorkerSessionRef,
    nullable: true,
    description: "The session that this one retries or follows up.",
    select: (_args, _context, nested) => ({ previous: nested(readWithAncestors) }),
    resolve: ({ previous }, _args, { viewer }) => seen(viewer, previous),
  }),
  next: t.field({
    type: [WorkerSessionRef],
    description: `The sessions that retry this one or follow it up, oldest first; ${String(mostNext)} at most.`,
    select: (_args, { viewer }, nested) => ({
      next: nested({ where: visibleWorkers(viewer), orderBy: { number: "asc" }, take: mostNext }),
    }),
    resolve: ({ next }) => next,
  }),
}));

/** Reached over a relation, a session that the viewer may not read is as if it weren't there. */
function seen<Session extends Pick<WorkerSession, "id" | "ancestorIds">>(
  viewer: Viewer,
  session: Session | null,
): Session | null {
  return session !== null && canSeeWorker(viewer, session) ? session : null;
}
