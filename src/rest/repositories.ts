import { z } from "zod";
import { FactoryError } from "../errors.ts";
import { RepositoryStatus } from "../generated/prisma/enums.ts";
import { ask, repositoryNames } from "./call.ts";
import { dateTime, described, selectionOf } from "./described.ts";
import { connectionShape, next, nextOf, pageQuery } from "./list.ts";
import { flag } from "./query.ts";
import { emptyReply, reply } from "./reply.ts";
import { defineRoute } from "./route.ts";

const tag = "Repositories";

const shape = described("Repository", {
  id: z.string(),
  owner: z.string(),
  name: z.string(),
  nameWithOwner: z.string(),
  url: z.string(),
  status: z.enum(RepositoryStatus),
  failureCode: z.string().nullable(),
  error: z.string().nullable(),
  defaultBranch: z.string().nullable(),
  headCommit: z.string().nullable(),
  lastSyncedAt: dateTime.nullable(),
  createdAt: dateTime,
  lastSequence: z.int(),
  worktreesLastSequence: z.int(),
});

const repository = shape
  .extend({
    repo: z.string().describe("The same as name."),
    branch: z.string().nullable().describe("The same as defaultBranch."),
    synced: z.boolean().describe("Whether it is cloned, and its last fetch succeeded."),
  })
  .meta({ id: "Repository" });

function describeRepository(found: z.output<typeof shape>): z.output<typeof repository> {
  const { name, defaultBranch, status } = found;
  return { ...found, repo: name, branch: defaultBranch, synced: status === "SYNCED" };
}

export const repositoryParams = z.strictObject({
  owner: z.string().describe("The repository's owner, whatever its case."),
  repo: z.string().describe("The repository's name, whatever its case."),
});

export function repositoryNotFound({ owner, repo }: z.output<typeof repositoryParams>) {
  return new FactoryError(
    "REPOSITORY_NOT_FOUND",
    `there is no repository ${owner}/${repo}: clone it first, by a POST to /api/factory/repos`,
  );
}

function pathOf({ owner, name }: z.output<typeof shape>): string {
  return `/api/factory/repos/${owner}/${name}`;
}

const clone = {
  document: `mutation ($input: CloneRepositoryInput!) {
    cloneRepository(input: $input) { created repository ${selectionOf(shape)} }
  }`,
  as: z.object({ cloneRepository: z.object({ created: z.boolean(), repository: shape }) }),
};

const cloneRepository = defineRoute({
  method: "post",
  path: "/api/factory/repos",
  operationId: "cloneRepository",
  tag,
  summary: "Clone a repository",
  description:
    "Starts cloning and answers at once: read the repository until its status is SYNCED or FAILED. A FAILED clone is tried again. Operator only.",
  body: z.strictObject({
    owner: z.string().describe("Under which owner it is to be known here."),
    repo: z.string().describe("Under which name it is to be known here."),
    url: z
      .string()
      .optional()
      .describe(
        "Where from: https://… or ssh (git@host:owner/name.git). Default: as FACTORY_REMOTE_TEMPLATE says.",
      ),
  }),
  example: { owner: "octocat", repo: "Hello-World" },
  answers: {
    200: { description: "It was there.", body: repository },
    202: { description: "It is being cloned.", body: repository },
  },
  errors: ["REPOSITORY_CONFLICT"],
  async run({ body: { owner, repo, url } }, call) {
    const input = { owner, name: repo, url };
    const { cloneRepository: cloned } = await ask(call, clone, { input }, repositoryNames);
    const body = describeRepository(cloned.repository);
    if (!cloned.created) return reply(200, body);
    return reply(202, body, pathOf(cloned.repository));
  },
});

const list = {
  document: `query ($first: Int, $after: String) {
    repositories(first: $first, after: $after) ${selectionOf(connectionShape(shape))}
  }`,
  as: z.object({ repositories: connectionShape(shape) }),
};

const listRepositories = defineRoute({
  method: "get",
  path: "/api/factory/repos",
  operationId: "listRepositories",
  tag,
  summary: "List repositories",
  description: "Oldest first. A worker's token gets its own alone.",
  query: pageQuery,
  answers: {
    200: {
      description: "A page of them.",
      body: z.object({ repos: z.array(repository), next }).meta({ id: "RepositoryList" }),
    },
  },
  errors: [],
  async run({ query }, call) {
    const { repositories } = await ask(call, list, query);
    const repos = repositories.nodes.map(describeRepository);
    return reply(200, { repos, ...nextOf(repositories) });
  },
});

const read = {
  document: `query ($owner: String!, $name: String!) {
    repository(owner: $owner, name: $name) ${selectionOf(shape)}
  }`,
  as: z.object({ repository: shape.nullable() }),
};

const getRepository = defineRoute({
  method: "get",
  path: "/api/factory/repos/{owner}/{repo}",
  operationId: "getRepository",
  tag,
  summary: "Read a repository",
  params: repositoryParams,
  answers: { 200: { description: "The repository.", body: repository } },
  errors: ["REPOSITORY_NOT_FOUND"],
  async run({ params }, call) {
    const { owner, repo } = params;
    const found = await ask(call, read, { owner, name: repo }, repositoryNames);
    if (found.repository === null) throw repositoryNotFound(params);
    return reply(200, describeRepository(found.repository));
  },
});

const sync = {
  document: `mutation ($input: RepositoryInput!) {
    syncRepository(input: $input) { updated repository ${selectionOf(shape)} }
  }`,
  as: z.object({ syncRepository: z.object({ updated: z.boolean(), repository: shape }) }),
};

const syncRepository = defineRoute({
  method: "post",
  path: "/api/factory/repos/{owner}/{repo}/sync",
  operationId: "syncRepository",
  tag,
  summary: "Fetch from the remote",
  description: "Answers when the fetch has ended. Concurrent calls share one fetch.",
  params: repositoryParams,
  answers: {
    200: {
      description: "It is synced.",
      body: repository
        .extend({ updated: z.boolean().describe("Whether the default branch moved.") })
        .meta({ id: "SyncedRepository" }),
    },
  },
  errors: [
    "REPOSITORY_NOT_FOUND",
    "REPOSITORY_NOT_READY",
    "REPOSITORY_IN_USE",
    "REMOTE_NOT_FOUND",
    "REMOTE_AUTH_FAILED",
    "REMOTE_UNREACHABLE",
    "HOST_FAILURE",
    "RUNNER_UNAVAILABLE",
  ],
  async run({ params: { owner, repo } }, call) {
    const input = { owner, name: repo };
    const { syncRepository: synced } = await ask(call, sync, { input }, repositoryNames);
    // This fetch has succeeded, though the next may be under way.
    const body = { ...describeRepository(synced.repository), synced: true };
    return reply(200, { ...body, updated: synced.updated });
  },
});

const remove = {
  document: `mutation ($input: DeleteRepositoryInput!) {
    deleteRepository(input: $input) { name }
  }`,
  as: z.object({ deleteRepository: z.object({ name: z.string() }) }),
};

const deleteRepository = defineRoute({
  method: "delete",
  path: "/api/factory/repos/{owner}/{repo}",
  operationId: "deleteRepository",
  tag,
  summary: "Delete a repository",
  description: "Its sessions and their events stay. Operator only.",
  params: repositoryParams,
  query: z.strictObject({
    force: flag("Delete its worktrees too, even where work would be lost that is nowhere else."),
  }),
  answers: { 204: { description: "It is deleted." } },
  errors: [
    "REPOSITORY_NOT_FOUND",
    "REPOSITORY_NOT_READY",
    "REPOSITORY_IN_USE",
    "HOST_FAILURE",
    "RUNNER_UNAVAILABLE",
  ],
  async run({ params: { owner, repo }, query: { force } }, call) {
    await ask(call, remove, { input: { owner, name: repo, force } }, repositoryNames);
    return emptyReply;
  },
});

export const repositoryRoutes = [
  cloneRepository,
  listRepositories,
  getRepository,
  syncRepository,
  deleteRepository,
];
