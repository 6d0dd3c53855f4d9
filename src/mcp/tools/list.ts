import { z } from "zod";
import { read } from "../call.ts";
import { describeOtherParents, findOtherParents, knownParentsShape } from "../parents.ts";
import { defineTool } from "../tool.ts";
import { lines, shorten, statuses } from "../words.ts";

/** Enough of a summary to know which worker to look at. */
const longestSummary = 200;

const shape = z.object({
  name: z.string(),
  status: z.string(),
  statusReason: z.string().nullable(),
  agent: z.string(),
  branch: z.string(),
  repositoryName: z.string(),
  issue: z.string().nullable(),
  summary: z.string().nullable(),
  startedAt: z.string().nullable(),
  finishedAt: z.string().nullable(),
});

export const listWorkers = defineTool({
  name: "list_workers",
  title: "List workers",
  description:
    "Lists workers with their status, oldest first: a cheap look at all of them at one moment. To hear what becomes of workers that run, call wait_for_workers instead of calling this again and again; for one worker's commits, diff and output call get_worker.",
  audience: "all",
  hints: { readOnlyHint: true },
  input: z.strictObject({
    parentSession: z
      .string()
      .optional()
      .describe("Those dispatched under this name alone. Default: all that you may see."),
    status: z.array(z.enum(statuses)).optional().describe("Those with one of these alone."),
    first: z.int().min(1).max(100).default(50).describe("How many."),
    after: z.string().optional().describe("The next of the last answer, to go on there."),
  }),
  output: z.object({
    workers: z.array(
      z.object({
        worker: z.string(),
        status: z.string(),
        reason: z.string().nullable(),
        agent: z.string(),
        repository: z.string(),
        branch: z.string(),
        issue: z.string().nullable(),
        summary: z.string().nullable().describe("Its beginning; get_worker has it whole."),
        startedAt: z.string().nullable(),
        finishedAt: z.string().nullable(),
      }),
    ),
    total: z.int(),
    knownParents: knownParentsShape,
    next: z.string().nullable().describe("For after; null: these were the last."),
  }),
  async run(args, call) {
    const { value } = await read(call, query, args);
    const { parentSession } = args;
    const knownParents =
      parentSession === undefined || value.totalCount > 0
        ? undefined
        : await findOtherParents(call, parentSession);
    const workers = value.nodes.map((node) => ({
      worker: node.name,
      status: node.status,
      reason: node.statusReason,
      agent: node.agent,
      repository: node.repositoryName,
      branch: node.branch,
      issue: node.issue,
      summary: node.summary === null ? null : shorten(node.summary, longestSummary),
      startedAt: node.startedAt,
      finishedAt: node.finishedAt,
    }));
    const { hasNextPage, endCursor } = value.pageInfo;
    const next = hasNextPage ? endCursor : null;
    return {
      result: { workers, total: value.totalCount, knownParents: knownParents ?? null, next },
      text: lines(
        parentSession === undefined || knownParents === undefined
          ? undefined
          : describeOtherParents(parentSession, knownParents),
        `${String(workers.length)} of ${String(value.totalCount)} workers.`,
        ...workers.map(
          ({ worker, status, reason, agent, repository, branch, summary }) =>
            `${worker} ${status} ${agent} ${repository} ${branch}${reason === null ? "" : `: ${reason}`}${summary === null ? "" : ` | ${summary}`}`,
        ),
        next === null ? undefined : `More: list_workers(after: ${JSON.stringify(next)}).`,
      ),
    };
  },
});

const query = {
  document: `query ($parentSession: String, $status: [WorkerStatus!], $first: Int, $after: String) {
    workerSessions(parentSession: $parentSession, status: $status, first: $first, after: $after) {
      totalCount
      pageInfo { hasNextPage endCursor }
      nodes { name status statusReason agent branch repositoryName issue summary startedAt finishedAt }
    }
  }`,
  field: "workerSessions",
  as: z.object({
    totalCount: z.int(),
    pageInfo: z.object({ hasNextPage: z.boolean(), endCursor: z.string().nullable() }),
    nodes: z.array(shape),
  }),
};
