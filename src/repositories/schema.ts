import { assertOperator, assertSeesRepository, visibleRepositories } from "../access/viewer.ts";
import type { StoredEvent } from "../events/read.ts";
import type { RepositoryStatus } from "../generated/prisma/enums.ts";
import { builder } from "../graphql/builder.ts";
import { repositoryStreamKey, type RepositoryEvent } from "./events.ts";

export const RepositoryStatusRef = builder.enumType("RepositoryStatus", {
  description: "What is happening to a repository.",
  values: {
    CLONING: { description: "It is being cloned; nothing of it can be used yet." },
    SYNCING: { description: "It is being fetched; it can be used meanwhile." },
    SYNCED: { description: "Cloned, and the last fetch succeeded." },
    FAILED: {
      description:
        "The last clone or fetch failed: see failureCode and error. With a lastSyncedAt it can still be used.",
    },
    REMOVING: { description: "It is being deleted." },
  } satisfies Record<RepositoryStatus, object>,
});

export const RepositoryRef = builder.prismaNode("Repository", {
  description: "A repository that Factory has cloned, or is cloning.",
  id: { field: "id", description: "The global id, for node(id:)." },
  fields: (t) => ({
    owner: t.exposeString("owner", { description: "One segment: nested groups aren't supported." }),
    name: t.exposeString("name", { description: "One segment, without .git." }),
    nameWithOwner: t.string({
      description: "owner/name",
      resolve: ({ owner, name }) => `${owner}/${name}`,
    }),
    url: t.exposeString("url", { description: "Where it was cloned from, without credentials." }),
    status: t.expose("status", {
      type: RepositoryStatusRef,
      description: "What is happening to it.",
    }),
    failureCode: t.exposeString("failureCode", {
      nullable: true,
      description: "Why status is FAILED: an error code, for programs.",
    }),
    error: t.exposeString("error", {
      nullable: true,
      description: "Why status is FAILED: a text fit to show to a person.",
    }),
    defaultBranch: t.exposeString("defaultBranch", {
      nullable: true,
      description: "The remote's default branch; null until the first clone has ended.",
    }),
    headCommit: t.exposeString("headCommit", {
      nullable: true,
      description:
        "Commit id at the tip of the default branch on the remote, as of the last sync; null where it has no commits.",
    }),
    lastSyncedAt: t.expose("lastSyncedAt", {
      type: "DateTime",
      nullable: true,
      description: "When the last clone or fetch succeeded.",
    }),
    createdAt: t.expose("createdAt", {
      type: "DateTime",
      description: "When Factory was first told to clone it.",
    }),
    lastSequence: t.int({
      description:
        "Where new subscribers of repositoryChanged start from: every field beside it includes all changes up to it.",
      select: { stream: { select: { lastSequence: true } } },
      resolve: ({ stream }) => stream.lastSequence,
    }),
    worktreesLastSequence: t.int({
      description:
        "Where new subscribers of worktreeChanged start from: every field beside it includes all changes up to it.",
      select: { worktreeStream: { select: { lastSequence: true } } },
      resolve: ({ worktreeStream }) => worktreeStream.lastSequence,
    }),
  }),
});

export const RepositoryConnectionRef = builder.connectionObject(
  {
    type: RepositoryRef,
    name: "RepositoryConnection",
    description: "A page of repositories, oldest first.",
  },
  { name: "RepositoryEdge", description: "A repository and its place in the list." },
);

const ownerArg = "The repository's owner, whatever its case.";
const nameArg = "The repository's name, whatever its case.";

builder.queryFields((t) => ({
  repository: t.prismaField({
    type: RepositoryRef,
    nullable: true,
    description: "Owner and name alone identify a repository, whatever their case.",
    args: {
      owner: t.arg.string({ required: true, description: ownerArg }),
      name: t.arg.string({ required: true, description: nameArg }),
    },
    async resolve(query, _root, input, { prisma, repositories, viewer }) {
      const found = await repositories.find(input);
      if (found === null) return null;
      assertSeesRepository(viewer, found);
      return prisma.repository.findUnique({ ...query, where: { id: found.id } });
    },
  }),
  repositories: t.prismaConnection(
    {
      type: RepositoryRef,
      cursor: "id",
      description: "All repositories, oldest first.",
      args: {
        status: t.arg({
          type: [RepositoryStatusRef],
          description: "Those with one of these statuses alone.",
        }),
      },
      totalCount: (_connection, { status }, { prisma, viewer }) =>
        prisma.repository.count({ where: listed(status, viewer) }),
      resolve: (query, _root, { status }, { prisma, viewer }) =>
        prisma.repository.findMany({
          ...query,
          where: listed(status, viewer),
          orderBy: { id: "asc" },
        }),
    },
    RepositoryConnectionRef,
  ),
}));

function listed(
  status: readonly RepositoryStatus[] | null | undefined,
  viewer: Parameters<typeof visibleRepositories>[0],
) {
  return {
    ...visibleRepositories(viewer),
    ...(status == null ? {} : { status: { in: [...new Set(status)] } }),
  };
}

export const RepositoryInputRef = builder.inputType("RepositoryInput", {
  description: "Names a repository.",
  fields: (t) => ({
    owner: t.string({ required: true, description: ownerArg }),
    name: t.string({ required: true, description: nameArg }),
  }),
});

const CloneRepositoryInput = builder.inputType("CloneRepositoryInput", {
  description: "What to clone.",
  fields: (t) => ({
    owner: t.string({ required: true, description: "Under which owner it is to be known here." }),
    name: t.string({ required: true, description: "Under which name it is to be known here." }),
    url: t.string({
      description:
        "Where from: https://… or ssh (git@host:owner/name.git). Credentials in it are kept apart, readable by the server alone. Default: FACTORY_REMOTE_TEMPLATE with owner and name filled in.",
    }),
  }),
});

interface RepositoryResult {
  readonly repositoryId: string;
  /** created of a clone, updated of a sync. */
  readonly changed: boolean;
}

const CloneRepositoryPayload = builder.objectRef<RepositoryResult>("CloneRepositoryPayload");
CloneRepositoryPayload.implement({
  description: "A repository that is being cloned, or was there.",
  fields: (t) => ({
    repository: t.prismaField({
      type: RepositoryRef,
      description: "Its status tells how far it is.",
      resolve: (query, { repositoryId }, _args, { prisma }) =>
        prisma.repository.findUniqueOrThrow({ ...query, where: { id: repositoryId } }),
    }),
    created: t.exposeBoolean("changed", { description: "Whether it was not there before." }),
  }),
});

const SyncRepositoryPayload = builder.objectRef<RepositoryResult>("SyncRepositoryPayload");
SyncRepositoryPayload.implement({
  description: "A repository that was fetched.",
  fields: (t) => ({
    repository: t.prismaField({
      type: RepositoryRef,
      description: "As it is after the fetch.",
      resolve: (query, { repositoryId }, _args, { prisma }) =>
        prisma.repository.findUniqueOrThrow({ ...query, where: { id: repositoryId } }),
    }),
    updated: t.exposeBoolean("changed", { description: "Whether the default branch moved." }),
  }),
});

builder.mutationFields((t) => ({
  cloneRepository: t.field({
    type: CloneRepositoryPayload,
    nullable: true,
    description:
      "Starts cloning and returns at once (status CLONING). Cloning what is already there returns it, with created: false; with another url: REPOSITORY_CONFLICT. A FAILED clone is tried again. Operator only. Errors: BAD_INPUT, REPOSITORY_CONFLICT, FORBIDDEN.",
    args: {
      input: t.arg({ type: CloneRepositoryInput, required: true, description: "What to clone." }),
    },
    async resolve(_root, { input: { owner, name, url } }, { viewer, repositories }) {
      assertOperator(viewer);
      const result = await repositories.clone({ owner, name, url: url ?? undefined });
      return { repositoryId: result.repository.id, changed: result.created };
    },
  }),
  syncRepository: t.field({
    type: SyncRepositoryPayload,
    nullable: true,
    description:
      "Fetches from the remote and returns when the fetch has ended. Concurrent calls share one fetch. Errors: REPOSITORY_NOT_FOUND, REPOSITORY_NOT_READY, REMOTE_NOT_FOUND, REMOTE_AUTH_FAILED, REMOTE_UNREACHABLE, HOST_FAILURE, FORBIDDEN.",
    args: {
      input: t.arg({ type: RepositoryInputRef, required: true, description: "Which repository." }),
    },
    async resolve(_root, { input }, { viewer, repositories, signal }) {
      assertSeesRepository(viewer, await repositories.get(input));
      const { repository, updated } = await repositories.sync(input, signal);
      return { repositoryId: repository.id, changed: updated };
    },
  }),
}));

interface RepositoryChange extends RepositoryEvent {
  readonly sequence: number;
  readonly at: Date;
}

const RepositoryChangeRef = builder.objectRef<RepositoryChange>("RepositoryChange");
RepositoryChangeRef.implement({
  description: "A change of a repository's status, or progress of its clone or fetch.",
  fields: (t) => ({
    sequence: t.exposeInt("sequence", { description: "Per repository, from 1, without holes." }),
    at: t.expose("at", { type: "DateTime", description: "When it happened." }),
    status: t.expose("status", {
      type: RepositoryStatusRef,
      description: "The status at that moment; repository.status is today's.",
    }),
    progress: t.exposeInt("progress", {
      nullable: true,
      description: "Percent, 0 to 100, where git tells it.",
    }),
    message: t.exposeString("message", {
      nullable: true,
      description: "What git is doing, or why it failed.",
    }),
    repository: t.prismaField({
      type: RepositoryRef,
      nullable: true,
      description: "The repository as it is now; null once it is gone.",
      resolve: (query, { repositoryId }, _args, { prisma }) =>
        prisma.repository.findUnique({ ...query, where: { id: repositoryId } }),
    }),
  }),
});

builder.subscriptionField("repositoryChanged", (t) =>
  t.field({
    type: RepositoryChangeRef,
    description:
      "Status and clone or fetch progress of one repository. Errors: REPOSITORY_NOT_FOUND.",
    args: {
      owner: t.arg.string({ required: true, description: ownerArg }),
      name: t.arg.string({ required: true, description: nameArg }),
      after: t.arg.int({ description: "Replay what comes after this sequence, then go on live." }),
    },
    async subscribe(_root, { after, ...input }, { viewer, repositories, events }) {
      assertSeesRepository(viewer, await repositories.get(input));
      const key = repositoryStreamKey(input.owner, input.name);
      return events.follow(key, { after: after ?? undefined });
    },
    resolve: ({ sequence, at, payload }: StoredEvent): RepositoryChange => ({
      // Written by record.ts alone, as a RepositoryEvent.
      ...(payload as RepositoryEvent),
      sequence,
      at,
    }),
  }),
);
