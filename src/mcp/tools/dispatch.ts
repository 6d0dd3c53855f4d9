import { z } from "zod";
import { parentOf, read, type Call } from "../call.ts";
import { lines, parentArgument } from "../words.ts";
import { defineTool } from "../tool.ts";

export const dispatchWorker = defineTool({
  name: "dispatch_worker",
  title: "Dispatch a worker",
  description:
    "Hands a task to another agent, which works on it in a git worktree and branch of its own, beside you and beside other workers. Use it for work that can be described completely and checked by its commits. Answers at once with the worker's name, before the work has begun. Next: dispatch whatever else can run beside it, then call wait_for_workers until the worker has ended, then get_worker for its commits and diff. The worker knows nothing of your conversation: say in the task what to do, where, how to check it, and to commit.",
  audience: "all",
  hints: { readOnlyHint: false, destructiveHint: false },
  input: z.strictObject({
    task: z
      .string()
      .describe(
        "What to do, as the prompt of the agent; for the agent shell, the command line to run. 100,000 bytes at most.",
      ),
    parentSession: parentArgument,
    repository: z
      .strictObject({ owner: z.string(), name: z.string() })
      .optional()
      .describe(
        "Where to work. May be left out where issue is a URL that names it, and by a worker, whose own repository it is. Cloned if need be.",
      ),
    issue: z
      .string()
      .optional()
      .describe("The issue that the work is for: a URL, a number or a key."),
    branch: z
      .string()
      .optional()
      .describe("Default: issue-42 from the issue's number, else the worker's name."),
    base: z
      .string()
      .optional()
      .describe(
        "A branch, tag or commit to start from. Default: the remote's default branch, freshly fetched.",
      ),
    agent: z
      .string()
      .optional()
      .describe(
        "claude (the default), codex, gemini, opencode, shell (runs the task with bash: tests, linters), or one that the operator has added.",
      ),
    priority: z.int().optional().describe("Higher runs first. Default: 0."),
    timeoutSeconds: z
      .int()
      .optional()
      .describe("Ends the worker after so many seconds of running. Default: never."),
    cleanup: z
      .enum(["KEEP", "ON_SUCCESS", "ALWAYS"])
      .optional()
      .describe(
        "What becomes of the worktree at the end; work that is nowhere else is always kept. Default: KEEP.",
      ),
    retries: z
      .int()
      .optional()
      .describe(
        "How often it may start again on another machine when its own is lost. Default: 0.",
      ),
    permissions: z
      .enum(["ASK", "ALLOW", "DENY"])
      .optional()
      .describe(
        "What becomes of the agent's permission requests. ASK: they wait for your answer_permission.",
      ),
    push: z.boolean().optional().describe("Push the branch when it has succeeded. Default: false."),
    agentPush: z
      .boolean()
      .optional()
      .describe("Let the agent push its branch itself, from its sandbox. Default: false."),
    maxCostUsd: z.number().optional().describe("Ends the worker when it has cost so much."),
    maxTurns: z.int().optional().describe("Ends the worker after so many turns of its model."),
    sandbox: z
      .enum(["REQUIRED", "OFF"])
      .optional()
      .describe("Whether it runs in a sandbox. Default: as the server is set."),
    network: z
      .strictObject({
        mode: z.enum(["LIST", "OPEN", "NONE"]).optional(),
        allow: z.array(z.string()).optional(),
      })
      .optional()
      .describe("Hosts that it may reach from its sandbox beside the usual ones."),
    maxMemoryMib: z
      .int()
      .optional()
      .describe("Ends the worker when its processes have more MiB of memory; 64 or more."),
    maxCpus: z.number().optional().describe("Processors that it may use at a time, 0.1 or more."),
    maxProcesses: z
      .int()
      .optional()
      .describe("Processes and threads that it may have, 16 or more."),
    idempotencyKey: z
      .string()
      .optional()
      .describe(
        "Any text of your own: a call with the same key and the same input returns the first worker instead of another one. Use it to repeat a call whose answer was lost.",
      ),
  }),
  output: z.object({
    worker: z.string(),
    status: z.string(),
    created: z.boolean().describe("false: the idempotencyKey was used before."),
    parentSession: z.string(),
    repository: z.string(),
    branch: z.string(),
    agent: z.string(),
  }),
  async run(args, call) {
    const parentSession = parentOf(call, args.parentSession);
    const repository = args.repository ?? (await ownRepository(call, args.issue));
    const { value } = await read(call, mutation, {
      input: { ...args, parentSession, ...(repository === undefined ? {} : { repository }) },
    });
    const { created, worker } = value;
    const { name, status, branch, repositoryName, agent } = worker;
    return {
      result: {
        worker: name,
        status,
        created,
        parentSession,
        repository: repositoryName,
        branch,
        agent,
      },
      text: lines(
        `${name} (${agent}) is ${status} for branch ${branch} of ${repositoryName}.${created ? "" : " It was dispatched before, under the same idempotencyKey."}`,
        `Next: wait_for_workers(parentSession: ${JSON.stringify(parentSession)}).`,
      ),
    };
  },
});

const mutation = {
  document: `mutation ($input: DispatchWorkerInput!) {
    dispatchWorker(input: $input) { created worker { name status branch repositoryName agent } }
  }`,
  field: "dispatchWorker",
  as: z.object({
    created: z.boolean(),
    worker: z.object({
      name: z.string(),
      status: z.string(),
      branch: z.string(),
      repositoryName: z.string(),
      agent: z.string(),
    }),
  }),
};

const repositories = {
  document: `{ repositories(first: 1) { nodes { owner name } } }`,
  field: "repositories",
  as: z.object({ nodes: z.array(z.object({ owner: z.string(), name: z.string() })) }),
};

/** A worker sees its own repository alone. undefined: the API says what is missing. */
async function ownRepository(
  call: Call,
  issue: string | undefined,
): Promise<{ owner: string; name: string } | undefined> {
  if (call.viewer.kind === "operator" || issue?.includes("://") === true) return undefined;
  const { value } = await read(call, repositories, {});
  return value.nodes[0];
}
