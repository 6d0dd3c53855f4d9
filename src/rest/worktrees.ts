import { z } from "zod";
import { FactoryError } from "../errors.ts";
import { WorkerStatus, WorktreeStatus } from "../generated/prisma/enums.ts";
import { ask, repositoryNames } from "./call.ts";
import { dateTime, described, selectionOf } from "./described.ts";
import { connectionShape, next, nextOf, pageQuery } from "./list.ts";
import { repositoryNotFound, repositoryParams } from "./repositories.ts";
import { flag } from "./query.ts";
import { emptyReply, reply } from "./reply.ts";
import { defineRoute } from "./route.ts";

const tag = "Worktrees";

const activeWorker = described("WorkerSession", {
  id: z.string(),
  name: z.string(),
  status: z.enum(WorkerStatus),
  agent: z.string(),
});

/** Rows alone: what git tells costs a call of it for each. */
const rowShape = described("Worktree", {
  id: z.string(),
  repository: described("Repository", { nameWithOwner: z.string() }),
  branch: z.string(),
  runner: z.string(),
  path: z.string(),
  status: z.enum(WorktreeStatus),
  failureCode: z.string().nullable(),
  error: z.string().nullable(),
  base: z.string().nullable(),
  baseCommit: z.string().nullable(),
  createdAt: dateTime,
  activeWorker: activeWorker.nullable(),
});

const wholeShape = rowShape.extend(
  described("Worktree", {
    headCommit: z.string().nullable(),
    commitsAhead: z.int().nullable(),
    uncommittedFileCount: z.int().nullable(),
    changedFiles: z.int().nullable(),
  }).shape,
);

const own = {
  repositoryName: z.string().describe("owner/name of the repository that it is a worktree of."),
  feature: z.string().describe("The same as branch."),
  worker: z.string().nullable().describe("The name of the session that occupies it now."),
};

const listedWorktree = rowShape
  .omit({ repository: true })
  .extend(own)
  .meta({ id: "ListedWorktree" });
const worktree = wholeShape.omit({ repository: true }).extend(own).meta({ id: "Worktree" });

function describeWorktree<Found extends z.output<typeof rowShape>>(found: Found) {
  const { repository, ...rest } = found;
  return {
    ...rest,
    repositoryName: repository.nameWithOwner,
    feature: found.branch,
    worker: found.activeWorker?.name ?? null,
  };
}

const worktreeParams = repositoryParams.extend({
  branch: z
    .string()
    .describe("One segment: a slash inside is written %2F, so that feat/login is feat%2Flogin."),
});

const list = {
  document: `query ($owner: String!, $name: String!, $first: Int, $after: String) {
    repository(owner: $owner, name: $name) {
      worktrees(first: $first, after: $after) ${selectionOf(connectionShape(rowShape))}
    }
  }`,
  as: z.object({
    repository: z.object({ worktrees: connectionShape(rowShape) }).nullable(),
  }),
};

const listWorktrees = defineRoute({
  method: "get",
  path: "/api/factory/repos/{owner}/{repo}/worktrees",
  operationId: "listWorktrees",
  tag,
  summary: "List a repository's worktrees",
  description:
    "Oldest first. A worker's token gets those that it and its descendants worked in alone.",
  params: repositoryParams,
  query: pageQuery,
  answers: {
    200: {
      description: "A page of them.",
      body: z.object({ worktrees: z.array(listedWorktree), next }).meta({ id: "WorktreeList" }),
    },
  },
  errors: ["REPOSITORY_NOT_FOUND"],
  async run({ params, query }, call) {
    const { owner, repo } = params;
    const variables = { owner, name: repo, ...query };
    const { repository } = await ask(call, list, variables, repositoryNames);
    if (repository === null) throw repositoryNotFound(params);
    const worktrees = repository.worktrees.nodes.map(describeWorktree);
    return reply(200, { worktrees, ...nextOf(repository.worktrees) });
  },
});

const create = {
  document: `mutation ($input: CreateWorktreeInput!) {
    createWorktree(input: $input) { created worktree ${selectionOf(wholeShape)} }
  }`,
  as: z.object({ createWorktree: z.object({ created: z.boolean(), worktree: wholeShape }) }),
};

const createWorktree = defineRoute({
  method: "post",
  path: "/api/factory/repos/{owner}/{repo}/worktrees/{branch}",
  operationId: "createWorktree",
  tag,
  summary: "Create a worktree",
  description:
    "Answers when the branch is checked out: a local one as it stands, else the remote's at its tip, else a new one made from base.",
  params: worktreeParams,
  body: z.strictObject({
    base: z
      .string()
      .optional()
      .describe(
        "A branch, tag or commit. Default: the remote's default branch, freshly fetched. Given for a branch that exists elsewhere than there: BRANCH_EXISTS.",
      ),
  }),
  answers: {
    200: { description: "It was there.", body: worktree },
    201: { description: "It is checked out.", body: worktree },
  },
  errors: [
    "REPOSITORY_NOT_FOUND",
    "REPOSITORY_NOT_READY",
    "REPOSITORY_IN_USE",
    "BASE_NOT_FOUND",
    "BRANCH_EXISTS",
    "BRANCH_CONFLICT",
    "WORKTREE_NOT_FOUND",
    "WORKTREE_IN_USE",
    "REMOTE_NOT_FOUND",
    "REMOTE_AUTH_FAILED",
    "REMOTE_UNREACHABLE",
    "HOST_FAILURE",
    "RUNNER_UNAVAILABLE",
  ],
  async run({ params: { owner, repo, branch }, body: { base } }, call) {
    const input = { owner, name: repo, branch, base };
    const { createWorktree: made } = await ask(call, create, { input }, repositoryNames);
    const body = describeWorktree(made.worktree);
    if (!made.created) return reply(200, body);
    const location = `/api/factory/repos/${body.repositoryName}/worktrees/${encodeURIComponent(body.branch)}`;
    return reply(201, body, location);
  },
});

const read = {
  document: `query ($owner: String!, $name: String!, $branch: String!) {
    repository(owner: $owner, name: $name) { id }
    worktree(owner: $owner, name: $name, branch: $branch) ${selectionOf(wholeShape)}
  }`,
  as: z.object({
    repository: z.object({ id: z.string() }).nullable(),
    worktree: wholeShape.nullable(),
  }),
};

const getWorktree = defineRoute({
  method: "get",
  path: "/api/factory/repos/{owner}/{repo}/worktrees/{branch}",
  operationId: "getWorktree",
  tag,
  summary: "Read a worktree, with its active worker",
  description:
    "Where several runners hold the branch: the one that is in use, else the youngest. headCommit, commitsAhead and uncommittedFileCount are live from git.",
  params: worktreeParams,
  answers: { 200: { description: "The worktree.", body: worktree } },
  errors: ["REPOSITORY_NOT_FOUND", "WORKTREE_NOT_FOUND", "HOST_FAILURE", "RUNNER_UNAVAILABLE"],
  async run({ params }, call) {
    const { owner, repo, branch } = params;
    const found = await ask(call, read, { owner, name: repo, branch }, repositoryNames);
    if (found.repository === null) throw repositoryNotFound(params);
    if (found.worktree === null) {
      throw new FactoryError(
        "WORKTREE_NOT_FOUND",
        `${owner}/${repo} has no worktree for the branch ${branch}`,
      );
    }
    return reply(200, describeWorktree(found.worktree));
  },
});

const remove = {
  document: `mutation ($input: DeleteWorktreeInput!) {
    deleteWorktree(input: $input) { branch }
  }`,
  as: z.object({ deleteWorktree: z.object({ branch: z.string() }) }),
};

const deleteWorktree = defineRoute({
  method: "delete",
  path: "/api/factory/repos/{owner}/{repo}/worktrees/{branch}",
  operationId: "deleteWorktree",
  tag,
  summary: "Delete a worktree",
  description:
    "WORKTREE_IN_USE while a session occupies it; WORKTREE_DIRTY, unless force, while it holds work that is nowhere else. Operator only.",
  params: worktreeParams,
  query: z.strictObject({
    force: flag("Delete it even where work would be lost that is nowhere else."),
    deleteBranch: flag("Also delete the local branch."),
  }),
  answers: { 204: { description: "It is deleted." } },
  errors: [
    "REPOSITORY_NOT_FOUND",
    "WORKTREE_NOT_FOUND",
    "WORKTREE_IN_USE",
    "WORKTREE_DIRTY",
    "REPOSITORY_IN_USE",
    "HOST_FAILURE",
    "RUNNER_UNAVAILABLE",
  ],
  async run({ params: { owner, repo, branch }, query }, call) {
    await ask(call, remove, { input: { owner, name: repo, branch, ...query } }, repositoryNames);
    return emptyReply;
  },
});

export const worktreeRoutes = [listWorktrees, createWorktree, getWorktree, deleteWorktree];
