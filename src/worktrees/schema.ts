import {
  assertOperator,
  assertSeesRepository,
  visibleWorktrees,
  type Viewer,
} from "../access/viewer.ts";
import type { Prisma, Worktree } from "../generated/prisma/client.ts";
import type { WorktreeStatus } from "../generated/prisma/enums.ts";
import { builder } from "../graphql/builder.ts";
import { RepositoryRef } from "../repositories/schema.ts";

export const WorktreeStatusRef = builder.enumType("WorktreeStatus", {
  description: "What is happening to a worktree.",
  values: {
    CREATING: { description: "It is being checked out." },
    READY: { description: "It is checked out, and no session runs in it." },
    RUNNING: { description: "A session runs in it." },
    REMOVING: { description: "It is being deleted." },
    FAILED: {
      description:
        "It could not be made or deleted, or its folder is gone: see failureCode and error. It can be made or deleted again.",
    },
  } satisfies Record<WorktreeStatus, object>,
});

const DiffRef = builder.objectRef<{
  text: string;
  truncated: boolean;
  filesChanged: number;
  insertions: number;
  deletions: number;
}>("Diff");
DiffRef.implement({
  description: "A unified diff, as git prints it.",
  fields: (t) => ({
    text: t.exposeString("text", { description: "At most 1 MiB." }),
    truncated: t.exposeBoolean("truncated", { description: "Whether the text was cut." }),
    filesChanged: t.exposeInt("filesChanged", { description: "Of the whole diff, cut or not." }),
    insertions: t.exposeInt("insertions", { description: "Lines added in the whole diff." }),
    deletions: t.exposeInt("deletions", { description: "Lines removed in the whole diff." }),
  }),
});

export const WorktreeRef = builder.prismaNode("Worktree", {
  description: "A branch of a repository, checked out in a folder of its own.",
  id: { field: "id", description: "The global id, for node(id:)." },
  fields: (t) => ({
    repository: t.relation("repository", { description: "What it is a worktree of." }),
    branch: t.exposeString("branch", { description: "The branch that is checked out in it." }),
    runner: t.string({
      description: "The name of the runner that holds it.",
      select: { runner: { select: { name: true } } },
      resolve: ({ runner }) => runner.name,
    }),
    path: t.exposeString("path", { description: "The absolute path on that runner." }),
    status: t.expose("status", {
      type: WorktreeStatusRef,
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
    base: t.exposeString("base", {
      nullable: true,
      description: "The ref that it was branched from; null in a repository without commits.",
    }),
    baseCommit: t.exposeString("baseCommit", {
      nullable: true,
      description: "The commit id of that ref then.",
    }),
    headCommit: t.string({
      nullable: true,
      description: "Live from git: the commit id at the branch's tip; null where it has none.",
      resolve: async (worktree, _args, { loaders }) =>
        (await loaders.worktreeState.load(worktree))?.headCommit ?? null,
    }),
    commitsAhead: t.int({
      nullable: true,
      description: "Live from git: how many commits came since baseCommit.",
      resolve: (worktree, _args, context) => context.worktrees.commitsAhead(worktree, context),
    }),
    uncommittedFileCount: t.int({
      nullable: true,
      description:
        "Live from git: how many files are changed or untracked, ignored ones excepted; a submodule counts where it holds work.",
      resolve: async (worktree, _args, { loaders }) =>
        (await loaders.worktreeState.load(worktree))?.changedFiles ?? null,
    }),
    changedFiles: t.int({
      nullable: true,
      deprecationReason: "Its name is uncommittedFileCount now.",
      description: "The same as uncommittedFileCount.",
      resolve: async (worktree, _args, { loaders }) =>
        (await loaders.worktreeState.load(worktree))?.changedFiles ?? null,
    }),
    diff: t.field({
      type: DiffRef,
      nullable: true,
      description:
        "Live from git: from baseCommit to the working tree, untracked files included; cut at 1 MiB, with truncated: true. A tracked file that was replaced by a FIFO, a socket or a device counts as deleted; of changed files that have more than 512 MiB together the largest count as binary. Errors: WORKTREE_NOT_FOUND where it was removed or replaced by a symbolic link, HOST_FAILURE where git can't read it within 10 s, SERVICE_UNAVAILABLE, RUNNER_UNAVAILABLE.",
      resolve: (worktree, _args, context) => context.worktrees.diff(worktree, context),
    }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was asked for." }),
  }),
});

export const WorktreeConnectionRef = builder.connectionObject(
  {
    type: WorktreeRef,
    name: "WorktreeConnection",
    description: "A page of worktrees, oldest first.",
  },
  { name: "WorktreeEdge", description: "A worktree and its place in the list." },
);

function listed(
  status: readonly WorktreeStatus[] | null | undefined,
  viewer: Viewer,
): Prisma.WorktreeWhereInput {
  return {
    ...visibleWorktrees(viewer),
    ...(status == null ? {} : { status: { in: [...new Set(status)] } }),
  };
}

const statusArg = "Those with one of these statuses alone.";
const ownerArg = "The repository's owner, whatever its case.";
const nameArg = "The repository's name, whatever its case.";

builder.prismaObjectField(RepositoryRef, "worktrees", (t) =>
  t.relatedConnection(
    "worktrees",
    {
      cursor: "id",
      totalCount: true,
      description: "Its worktrees, oldest first.",
      args: { status: t.arg({ type: [WorktreeStatusRef], description: statusArg }) },
      query: ({ status }, { viewer }) => ({
        where: listed(status, viewer),
        orderBy: { id: "asc" },
      }),
    },
    WorktreeConnectionRef,
  ),
);

builder.queryFields((t) => ({
  worktree: t.prismaField({
    type: WorktreeRef,
    nullable: true,
    description:
      "The worktree of a branch. Where several runners hold the branch: the one that is in use, else the youngest.",
    args: {
      owner: t.arg.string({ required: true, description: ownerArg }),
      name: t.arg.string({ required: true, description: nameArg }),
      branch: t.arg.string({ required: true, description: "The branch's whole name." }),
      runner: t.arg.string({ description: "The worktree on this runner." }),
    },
    async resolve(query, _root, input, { prisma, worktrees, viewer }) {
      const id = await worktrees.find(input, viewer);
      return id === null ? null : prisma.worktree.findUnique({ ...query, where: { id } });
    },
  }),
  worktrees: t.prismaConnection(
    {
      type: WorktreeRef,
      cursor: "id",
      description: "The worktrees of all repositories, oldest first.",
      args: { status: t.arg({ type: [WorktreeStatusRef], description: statusArg }) },
      totalCount: (_connection, { status }, { prisma, viewer }) =>
        prisma.worktree.count({ where: listed(status, viewer) }),
      resolve: (query, _root, { status }, { prisma, viewer }) =>
        prisma.worktree.findMany({
          ...query,
          where: listed(status, viewer),
          orderBy: { id: "asc" },
        }),
    },
    WorktreeConnectionRef,
  ),
}));

const CreateWorktreeInput = builder.inputType("CreateWorktreeInput", {
  description: "Which branch to check out.",
  fields: (t) => ({
    owner: t.string({ required: true, description: ownerArg }),
    name: t.string({ required: true, description: nameArg }),
    branch: t.string({
      required: true,
      description:
        "A local branch is checked out as it stands; else the remote's branch of that name is taken up at its tip; else the branch is made from base.",
    }),
    base: t.string({
      description:
        "A branch, tag or commit. Default: the remote's default branch, freshly fetched. Given for a branch that exists elsewhere than there: BRANCH_EXISTS.",
    }),
  }),
});

const DeleteWorktreeInput = builder.inputType("DeleteWorktreeInput", {
  description: "Which worktree to delete.",
  fields: (t) => ({
    owner: t.string({ required: true, description: ownerArg }),
    name: t.string({ required: true, description: nameArg }),
    branch: t.string({ required: true, description: "The branch that is checked out in it." }),
    runner: t.string({ description: "Where several runners hold the branch: which one." }),
    force: t.boolean({
      defaultValue: false,
      description: "Delete it even where work would be lost that is nowhere else.",
    }),
    deleteBranch: t.boolean({ defaultValue: false, description: "Also delete the local branch." }),
  }),
});

const DeleteRepositoryInput = builder.inputType("DeleteRepositoryInput", {
  description: "Which repository to delete.",
  fields: (t) => ({
    owner: t.string({ required: true, description: ownerArg }),
    name: t.string({ required: true, description: nameArg }),
    force: t.boolean({
      defaultValue: false,
      description: "Delete its worktrees too, even where work would be lost that is nowhere else.",
    }),
  }),
});

const CreateWorktreePayload = builder.objectRef<{ worktree: Worktree; created: boolean }>(
  "CreateWorktreePayload",
);
CreateWorktreePayload.implement({
  description: "A worktree that is checked out.",
  fields: (t) => ({
    worktree: t.prismaField({
      type: WorktreeRef,
      description: "The worktree.",
      resolve: (query, { worktree }, _args, { prisma }) =>
        prisma.worktree.findUniqueOrThrow({ ...query, where: { id: worktree.id } }),
    }),
    created: t.exposeBoolean("created", { description: "Whether it was not there before." }),
  }),
});

const DeleteWorktreePayload = builder.objectRef<{ owner: string; name: string; branch: string }>(
  "DeleteWorktreePayload",
);
DeleteWorktreePayload.implement({
  description: "What was deleted.",
  fields: (t) => ({
    owner: t.exposeString("owner", { description: "The repository's owner." }),
    name: t.exposeString("name", { description: "The repository's name." }),
    branch: t.exposeString("branch", { description: "The branch that was checked out in it." }),
  }),
});

const DeleteRepositoryPayload = builder.objectRef<{ owner: string; name: string }>(
  "DeleteRepositoryPayload",
);
DeleteRepositoryPayload.implement({
  description: "What was deleted.",
  fields: (t) => ({
    owner: t.exposeString("owner", { description: "The repository's owner." }),
    name: t.exposeString("name", { description: "The repository's name." }),
  }),
});

builder.mutationFields((t) => ({
  createWorktree: t.field({
    type: CreateWorktreePayload,
    nullable: true,
    description:
      "Returns when the worktree is checked out. Creating what is already there returns it, with created: false. Errors: BAD_INPUT, REPOSITORY_NOT_FOUND, REPOSITORY_NOT_READY, BASE_NOT_FOUND, BRANCH_EXISTS, BRANCH_CONFLICT, WORKTREE_IN_USE, HOST_FAILURE, the REMOTE_ codes, FORBIDDEN.",
    args: {
      input: t.arg({
        type: CreateWorktreeInput,
        required: true,
        description: "What to check out.",
      }),
    },
    async resolve(_root, { input }, { viewer, repositories, worktrees, signal }) {
      assertSeesRepository(viewer, await repositories.get(input));
      return worktrees.create({ ...input, base: input.base ?? undefined }, viewer, signal);
    },
  }),
  deleteWorktree: t.field({
    type: DeleteWorktreePayload,
    nullable: true,
    description:
      "WORKTREE_IN_USE while a session occupies it (force or not); WORKTREE_DIRTY (unless force) while it holds what is nowhere else: changed or untracked files, ignored ones excepted, submodules with work, commits of any ref that are on no branch of the remote, a stash, an unfinished operation, another repository. Operator only. Further errors: WORKTREE_NOT_FOUND, REPOSITORY_NOT_FOUND, RUNNER_UNAVAILABLE, HOST_FAILURE, FORBIDDEN.",
    args: {
      input: t.arg({ type: DeleteWorktreeInput, required: true, description: "What to delete." }),
    },
    async resolve(_root, { input }, { viewer, worktrees }) {
      assertOperator(viewer);
      const { owner, name, branch } = input;
      return worktrees.remove({
        owner,
        name,
        branch,
        runner: input.runner ?? undefined,
        force: input.force ?? false,
        deleteBranch: input.deleteBranch ?? false,
      });
    },
  }),
  deleteRepository: t.field({
    type: DeleteRepositoryPayload,
    nullable: true,
    description:
      "REPOSITORY_IN_USE while a session of it has not ended (force or not), or while a worktree of it exists or a local branch has commits that are on no branch of the remote (unless force). Its sessions and their events stay. Operator only. Further errors: REPOSITORY_NOT_FOUND, REPOSITORY_NOT_READY, HOST_FAILURE, FORBIDDEN.",
    args: {
      input: t.arg({ type: DeleteRepositoryInput, required: true, description: "What to delete." }),
    },
    resolve(_root, { input: { owner, name, force } }, { viewer, worktrees }) {
      assertOperator(viewer);
      return worktrees.deleteRepository({ owner, name, force: force ?? false });
    },
  }),
}));
