import { z } from "zod";
import { FactoryError } from "../errors.ts";
import { PermissionPolicy, SandboxRequest, WorktreeCleanup } from "../generated/prisma/enums.ts";
import { ask, repositoryNames } from "./call.ts";
import { selectionOf } from "./described.ts";
import { reply } from "./reply.ts";
import { defineRoute } from "./route.ts";
import { describeWorker, worker, workerShape } from "./workers.ts";

const mutation = {
  document: `mutation ($input: DispatchWorkerInput!) {
    dispatchWorker(input: $input) { created worker ${selectionOf(workerShape)} }
  }`,
  as: z.object({ dispatchWorker: z.object({ created: z.boolean(), worker: workerShape }) }),
};

export const dispatchWorker = defineRoute({
  method: "post",
  path: "/api/agents/sessions/dispatch-worker",
  operationId: "dispatchWorker",
  tag: "Sessions",
  summary: "Dispatch a worker",
  description:
    "Queues the session and answers at once. Follow its events, or read it, until its finishedAt is set; what fails later stands in its failureCode.",
  body: z.strictObject({
    parentSession: z
      .string()
      .describe(
        "Who asks: any name that the parent chooses, 200 bytes at most. The form worker-N is a worker's name, and makes this a child of that worker.",
      ),
    task: z
      .string()
      .describe(
        "What to do: the agent's prompt; for the agent shell, the command line to run. 100,000 bytes at most.",
      ),
    owner: z
      .string()
      .optional()
      .describe(
        "With repo: where to work. Both may be left out where issue is a URL that names them.",
      ),
    repo: z.string().optional().describe("The repository's name."),
    issue: z
      .string()
      .optional()
      .describe("The issue that the work is for: a number, a key or a URL. 2,000 bytes at most."),
    branch: z
      .string()
      .optional()
      .describe("Default: issue-42 from the issue's number, else the session's name."),
    base: z
      .string()
      .optional()
      .describe(
        "A branch, tag or commit that the branch is made from. Default: the remote's default branch, freshly fetched.",
      ),
    agent: z.string().optional().describe("Default: claude."),
    priority: z
      .int32()
      .optional()
      .describe("Higher runs first; -1,000,000 to 1,000,000. Default: 0."),
    timeoutSeconds: z
      .int32()
      .optional()
      .describe("Counted from RUNNING, waiting included; 1 to 1,728,000. Default: none."),
    cleanup: z
      .enum(WorktreeCleanup)
      .optional()
      .describe("What becomes of the worktree at the end. Default: KEEP."),
    retries: z
      .int32()
      .optional()
      .describe("How often it may start again when its runner is lost; 0 to 10. Default: 0."),
    permissions: z
      .enum(PermissionPolicy)
      .optional()
      .describe("What the agent's permission requests meet."),
    push: z
      .boolean()
      .optional()
      .describe("Push the branch when the work succeeded. Default: false."),
    agentPush: z
      .boolean()
      .optional()
      .describe("Let the agent push its branch itself, from its sandbox. Default: false."),
    maxCostUsd: z.number().optional().describe("In US dollars. Default: no limit."),
    maxTurns: z.int32().optional().describe("How often the model may be asked. Default: no limit."),
    sandbox: z
      .enum(SandboxRequest)
      .optional()
      .describe("Whether it is started in a sandbox. Default: as FACTORY_SANDBOX says."),
    network: z
      .strictObject({
        mode: z.enum(["LIST", "OPEN", "NONE"]).optional(),
        allow: z.array(z.string()).optional(),
      })
      .optional()
      .describe(
        "Hosts that it may reach from its sandbox beside those that are listed: example.com, *.example.com, git.example.com:8443.",
      ),
    maxMemoryMib: z
      .int32()
      .optional()
      .describe(
        "MiB of memory of all its processes, 64 or more; over it they end: MEMORY_EXCEEDED. Default: as FACTORY_WORKER_MEMORY says.",
      ),
    maxCpus: z
      .number()
      .optional()
      .describe(
        "Processors that it may use at a time, 0.1 to 1,024. Default: as FACTORY_WORKER_CPUS says.",
      ),
    maxProcesses: z
      .int32()
      .optional()
      .describe(
        "Its processes and threads, 16 to 1,000,000. Default: as FACTORY_WORKER_PROCESSES says.",
      ),
    idempotencyKey: z
      .string()
      .optional()
      .describe(
        "Per parent, kept for ever: the same key with the same input answers with the first session, however often it is sent; with another input IDEMPOTENCY_MISMATCH.",
      ),
  }),
  example: {
    parentSession: "me",
    agent: "shell",
    task: "ls -la && git log --oneline",
    owner: "octocat",
    repo: "Hello-World",
  },
  answers: {
    202: {
      description: "It is queued.",
      body: worker
        .extend({
          created: z
            .boolean()
            .describe(
              "false: the idempotencyKey was used before, and this is the session of then.",
            ),
        })
        .meta({ id: "DispatchedWorker" }),
    },
  },
  errors: [
    "AGENT_UNKNOWN",
    "AGENT_UNAVAILABLE",
    "NOT_SUPPORTED",
    "WORKER_NOT_FOUND",
    "BRANCH_CONFLICT",
    "REPOSITORY_NOT_READY",
    "IDEMPOTENCY_MISMATCH",
    "WORKER_NOT_RUNNING",
    "LIMIT_EXCEEDED",
  ],
  async run({ body: { owner, repo, ...rest } }, call) {
    const input = { ...rest, ...repositoryOf(owner, repo) };
    const { dispatchWorker: dispatched } = await ask(call, mutation, { input }, dispatchNames);
    const body = { ...describeWorker(dispatched.worker), created: dispatched.created };
    return reply(202, body, `/api/agents/sessions/${body.name}`);
  },
});

const dispatchNames = { ...repositoryNames, repository: "owner or repo" };

/** @throws FactoryError BAD_INPUT */
function repositoryOf(owner: string | undefined, repo: string | undefined) {
  if (owner === undefined && repo === undefined) return {};
  if (owner !== undefined && repo !== undefined) return { repository: { owner, name: repo } };
  const [missing, given] = owner === undefined ? ["owner", "repo"] : ["repo", "owner"];
  throw new FactoryError("BAD_INPUT", `${missing} is missing: give it beside ${given}`);
}
