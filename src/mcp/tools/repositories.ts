import { z } from "zod";
import { read } from "../call.ts";
import { defineTool } from "../tool.ts";
import { nameArgument, ownerArgument } from "../words.ts";

export const cloneRepository = defineTool({
  name: "clone_repository",
  title: "Clone a repository",
  description:
    "Clones a repository, so that workers start faster. Not needed before dispatch_worker, which clones by itself. Answers at once, with status CLONING; what is there already stays as it is (created: false).",
  audience: "operator",
  hints: { readOnlyHint: false, destructiveHint: false, idempotentHint: true },
  input: z.strictObject({
    owner: ownerArgument,
    name: nameArgument,
    url: z
      .string()
      .optional()
      .describe("Default: by the server's template, which is GitHub unless set otherwise."),
  }),
  output: z.object({ repository: z.string(), status: z.string(), created: z.boolean() }),
  async run(input, call) {
    const { value } = await read(call, cloneMutation, { input });
    const { nameWithOwner, status } = value.repository;
    return {
      result: { repository: nameWithOwner, status, created: value.created },
      text: `${nameWithOwner} is ${status}${value.created ? "" : "; it was there already"}.`,
    };
  },
});

const cloneMutation = {
  document: `mutation ($input: CloneRepositoryInput!) {
    cloneRepository(input: $input) { created repository { nameWithOwner status } }
  }`,
  field: "cloneRepository",
  as: z.object({
    created: z.boolean(),
    repository: z.object({ nameWithOwner: z.string(), status: z.string() }),
  }),
};

export const syncRepository = defineTool({
  name: "sync_repository",
  title: "Fetch a repository",
  description:
    "Fetches from the remote, and answers when that has ended with the tip of the default branch. Not needed before dispatch_worker or create_worktree, which fetch by themselves.",
  audience: "all",
  hints: { readOnlyHint: false, destructiveHint: false, idempotentHint: true },
  input: z.strictObject({ owner: ownerArgument, name: nameArgument }),
  output: z.object({
    repository: z.string(),
    defaultBranch: z.string().nullable(),
    headCommit: z.string().nullable(),
    updated: z.boolean().describe("Whether the default branch has moved."),
  }),
  async run(input, call) {
    const { value } = await read(call, syncMutation, { input });
    const { nameWithOwner, defaultBranch, headCommit } = value.repository;
    return {
      result: { repository: nameWithOwner, defaultBranch, headCommit, updated: value.updated },
      text: `${nameWithOwner} is fetched: ${defaultBranch ?? "no branch"} is at ${headCommit ?? "no commit"}${value.updated ? ", which is new" : ", as before"}.`,
    };
  },
});

const syncMutation = {
  document: `mutation ($input: RepositoryInput!) {
    syncRepository(input: $input) { updated repository { nameWithOwner defaultBranch headCommit } }
  }`,
  field: "syncRepository",
  as: z.object({
    updated: z.boolean(),
    repository: z.object({
      nameWithOwner: z.string(),
      defaultBranch: z.string().nullable(),
      headCommit: z.string().nullable(),
    }),
  }),
};

export const createWorktree = defineTool({
  name: "create_worktree",
  title: "Create a worktree",
  description:
    "Checks a branch out into a folder of its own, and answers with the path when it is there. For work of your own beside the workers; dispatch_worker makes a worktree by itself. A branch that exists is checked out as it stands, another one is made from base.",
  audience: "all",
  hints: { readOnlyHint: false, destructiveHint: false, idempotentHint: true },
  input: z.strictObject({
    owner: ownerArgument,
    name: nameArgument,
    branch: z.string().describe("The branch's whole name."),
    base: z
      .string()
      .optional()
      .describe("A branch, tag or commit. Default: the remote's default branch, freshly fetched."),
  }),
  output: z.object({
    branch: z.string(),
    path: z.string().describe("The absolute path, on the machine of the runner."),
    runner: z.string(),
    baseCommit: z.string().nullable(),
    created: z.boolean(),
  }),
  async run(input, call) {
    const { value } = await read(call, createMutation, { input });
    const { branch, path, runner, baseCommit } = value.worktree;
    return {
      result: { branch, path, runner, baseCommit, created: value.created },
      text: `${branch} is checked out in ${path} on ${runner}${value.created ? "" : "; it was there already"}.`,
    };
  },
});

const createMutation = {
  document: `mutation ($input: CreateWorktreeInput!) {
    createWorktree(input: $input) { created worktree { branch path runner baseCommit } }
  }`,
  field: "createWorktree",
  as: z.object({
    created: z.boolean(),
    worktree: z.object({
      branch: z.string(),
      path: z.string(),
      runner: z.string(),
      baseCommit: z.string().nullable(),
    }),
  }),
};

export const deleteWorktree = defineTool({
  name: "delete_worktree",
  title: "Delete a worktree",
  description:
    "Deletes the folder of a branch whose work is done. Refused with WORKTREE_DIRTY, which names what, while it holds changes or commits that are nowhere on the remote. force deletes them for good: use it only where the person you work for has agreed to lose that work.",
  audience: "operator",
  hints: { readOnlyHint: false, destructiveHint: true, idempotentHint: false },
  input: z.strictObject({
    owner: ownerArgument,
    name: nameArgument,
    branch: z.string().describe("The branch that is checked out in it."),
    runner: z.string().optional().describe("Where several runners hold the branch: which one."),
    force: z.boolean().optional().describe("Delete work that is nowhere else too. Default: false."),
    deleteBranch: z.boolean().optional().describe("Delete the local branch too. Default: false."),
  }),
  output: z.object({ repository: z.string(), branch: z.string() }),
  async run(input, call) {
    const { value } = await read(call, deleteMutation, { input });
    const repository = `${value.owner}/${value.name}`;
    return {
      result: { repository, branch: value.branch },
      text: `The worktree of ${value.branch} of ${repository} is deleted.`,
    };
  },
});

const deleteMutation = {
  document: `mutation ($input: DeleteWorktreeInput!) {
    deleteWorktree(input: $input) { owner name branch }
  }`,
  field: "deleteWorktree",
  as: z.object({ owner: z.string(), name: z.string(), branch: z.string() }),
};
