import { z } from "zod";
import { agentFailureCodes, FactoryError } from "../../errors.ts";
import { read, type Call } from "../call.ts";
import { cutDiff, mostDiffCharacters } from "../diff.ts";
import { defineTool } from "../tool.ts";
import {
  isUnfinished,
  lines,
  permissionFields,
  permissionShape,
  shorten,
  tellPermission,
  workerArgument,
} from "../words.ts";

const longestTask = 1_000;
const longestSummary = 8_000;
const mostCommits = 50;
const mostOutputCharacters = 4_000;
/** Of the last events so many are looked through for what the worker printed: of 64 KiB each they are one page. */
const mostEvents = 60;

const diffShape = z.object({
  text: z.string(),
  truncated: z.boolean(),
  filesChanged: z.int(),
  insertions: z.int(),
  deletions: z.int(),
});

const sessionShape = z.object({
  name: z.string(),
  status: z.string(),
  statusReason: z.string().nullable(),
  failureCode: z.string().nullable(),
  summary: z.string().nullable(),
  task: z.string(),
  agent: z.string(),
  repositoryName: z.string(),
  branch: z.string(),
  exitCode: z.int().nullable(),
  startedAt: z.string().nullable(),
  finishedAt: z.string().nullable(),
  lastSequence: z.int(),
  commits: z.array(z.object({ id: z.string(), subject: z.string() })),
  usage: z
    .object({ inputTokens: z.int(), outputTokens: z.int(), costUsd: z.number().nullable() })
    .nullable(),
  pushedTo: z.string().nullable(),
  pendingPermissions: z.array(permissionShape),
  worktree: z
    .object({
      path: z.string(),
      uncommittedFileCount: z.int().nullable(),
      diff: diffShape.nullish(),
    })
    .nullable(),
});

const toldShape = z.object({
  worker: z.string(),
  status: z.string(),
  reason: z.string().nullable(),
  failureCode: z
    .string()
    .nullable()
    .describe(
      `An error code, where one fits; for its agent ${Object.keys(agentFailureCodes).join(", ")}.`,
    ),
  summary: z.string().nullable(),
  task: z.string(),
  agent: z.string(),
  repository: z.string(),
  branch: z.string(),
  exitCode: z.int().nullable(),
  startedAt: z.string().nullable(),
  finishedAt: z.string().nullable(),
  usage: sessionShape.shape.usage,
  commits: z.array(z.object({ id: z.string(), subject: z.string() })),
  commitCount: z.int().describe("All of them, where commits holds the latest alone."),
  pushedTo: z.string().nullable(),
  pendingPermissions: z.array(permissionShape),
  worktree: z
    .object({ path: z.string(), uncommittedFileCount: z.int().nullable() })
    .nullable()
    .describe("null before it is made, and after cleanup."),
  diff: z
    .object({
      text: z.string(),
      next: z.int().nullable().describe("For diffOffset; null: this was the last piece."),
      filesChanged: z.int(),
      insertions: z.int(),
      deletions: z.int(),
      files: z.array(z.object({ path: z.string(), insertions: z.int(), deletions: z.int() })),
      incomplete: z.boolean().describe("true: more than 1 MiB; read the rest in the worktree."),
    })
    .nullable(),
  output: z.string().nullable(),
  gaps: z.array(z.string()).describe("What could not be told, and why."),
});
type Told = z.output<typeof toldShape>;

export const getWorker = defineTool({
  name: "get_worker",
  title: "Look at a worker",
  description: `Tells everything about one worker: status and why, its summary, commits, cost, what it asks permission for, and the diff of its worktree from its base, uncommitted changes included. Use it when a worker has ended, to review its work before you take it over. The diff is cut at ${mostDiffCharacters.toLocaleString("en")} characters: go on with diffOffset, or ask for one file or folder with path. diff: false is cheaper. output: true adds the last of what it printed and said: use it to see why one failed, or what one that runs is doing.`,
  audience: "all",
  hints: { readOnlyHint: true },
  input: z.strictObject({
    id: workerArgument,
    diff: z.boolean().default(true).describe("Whether to tell the diff."),
    path: z
      .string()
      .optional()
      .describe("The diff of this file, or of what is below this folder, alone."),
    diffOffset: z
      .int()
      .min(0)
      .default(0)
      .describe("Where in the diff to go on: the next of the last answer, with the same path."),
    output: z.boolean().default(false).describe("Whether to tell the last of its output."),
  }),
  output: toldShape,
  async run(args, call) {
    const { value, gaps } = await read(call, query, { id: args.id, diff: args.diff });
    if (value === null) {
      throw new FactoryError(
        "WORKER_NOT_FOUND",
        `there is no worker ${JSON.stringify(args.id.slice(0, 100))}: list_workers tells those that there are`,
      );
    }
    const { worktree } = value;
    const whole = worktree?.diff ?? null;
    const diff =
      whole === null
        ? null
        : {
            ...cutDiff(whole.text, { path: args.path, offset: args.diffOffset }),
            filesChanged: whole.filesChanged,
            insertions: whole.insertions,
            deletions: whole.deletions,
            incomplete: whole.truncated,
          };
    const result = {
      worker: value.name,
      status: value.status,
      reason: value.statusReason,
      failureCode: value.failureCode,
      summary: value.summary === null ? null : shorten(value.summary, longestSummary),
      task: shorten(value.task, longestTask),
      agent: value.agent,
      repository: value.repositoryName,
      branch: value.branch,
      exitCode: value.exitCode,
      startedAt: value.startedAt,
      finishedAt: value.finishedAt,
      usage: value.usage,
      commits: value.commits.slice(-mostCommits),
      commitCount: value.commits.length,
      pushedTo: value.pushedTo,
      pendingPermissions: value.pendingPermissions,
      worktree:
        worktree === null
          ? null
          : { path: worktree.path, uncommittedFileCount: worktree.uncommittedFileCount },
      diff: diff === null ? null : { ...diff, files: [...diff.files] },
      output: args.output ? await readOutput(call, args.id, value.lastSequence) : null,
      gaps: [...gaps],
    };
    return { result, text: tell(result, args.path) };
  },
});

function tell(told: Told, path: string | undefined): string {
  const { worker, usage, commitCount, commits, output } = told;
  const ended = isUnfinished(told.status) ? "" : `, exit code ${String(told.exitCode ?? "none")}`;
  return lines(
    `${worker} (${told.agent}) is ${told.status}${told.reason === null ? "" : `: ${told.reason}`}${ended}.`,
    `${told.repository}, branch ${told.branch}${told.worktree === null ? ", no worktree" : `, in ${told.worktree.path}`}${told.pushedTo === null ? "" : `, pushed to ${told.pushedTo}`}.`,
    `Task: ${told.task}`,
    told.summary === null ? undefined : `Summary: ${told.summary}`,
    usage === null ? undefined : tellUsage(usage),
    ...told.pendingPermissions.map((permission) => tellPermission(worker, permission)),
    `${String(commitCount)} commits${commitCount > commits.length ? `, the last ${String(commits.length)}:` : "."}`,
    ...commits.map(({ id, subject }) => `  ${id.slice(0, 12)} ${subject}`),
    ...(told.diff === null ? [] : tellDiff(worker, told.diff, path)),
    output === null ? undefined : `The last of its output:\n${output}`,
    ...told.gaps.map((gap) => `Not told: ${gap}`),
  );
}

function tellUsage({ inputTokens, outputTokens, costUsd }: NonNullable<Told["usage"]>): string {
  const cost = costUsd === null ? "" : `, ${costUsd.toFixed(2)} US dollars`;
  return `Used ${String(inputTokens)} tokens in, ${String(outputTokens)} out${cost}.`;
}

function tellDiff(
  worker: string,
  diff: NonNullable<Told["diff"]>,
  path: string | undefined,
): string[] {
  const { next, filesChanged, insertions, deletions, files, text, incomplete } = diff;
  const about = path === undefined ? "" : `; of them here, at ${path}: ${String(files.length)}`;
  const head = `Diff: ${String(filesChanged)} files, +${String(insertions)} -${String(deletions)}${about}.`;
  if (next === null && !incomplete) return [head, text];
  return [
    head,
    ...files.map((file) => `  ${file.path} +${String(file.insertions)} -${String(file.deletions)}`),
    text,
    ...(next === null
      ? []
      : [
          `(cut: go on with get_worker(id: "${worker}", diffOffset: ${String(next)}${path === undefined ? "" : `, path: ${JSON.stringify(path)}`}), or choose one file with path)`,
        ]),
    ...(incomplete ? ["(the diff has more than 1 MiB: read the rest in the worktree)"] : []),
  ];
}

const query = {
  document: `query ($id: ID!, $diff: Boolean!) {
    workerSession(id: $id) {
      name status statusReason failureCode summary task agent repositoryName branch exitCode
      startedAt finishedAt lastSequence pushedTo
      commits { id subject }
      usage { inputTokens outputTokens costUsd }
      pendingPermissions { ${permissionFields} }
      worktree {
        path uncommittedFileCount
        diff @include(if: $diff) { text truncated filesChanged insertions deletions }
      }
    }
  }`,
  field: "workerSession",
  as: sessionShape.nullable(),
};

/** The end of what it printed and said. */
async function readOutput(call: Call, id: string, lastSequence: number): Promise<string> {
  const after = Math.max(0, lastSequence - mostEvents);
  const { value } = await readLeft(call, id, after);
  const text = (value?.events ?? [])
    .map((event) => event.text ?? (event.title === undefined ? "" : `\n[${event.title}]\n`))
    .join("");
  return text.length <= mostOutputCharacters ? text : `…${text.slice(-mostOutputCharacters)}`;
}

/** From there on; from the oldest that is left where retention has removed earlier ones. */
function readLeft(call: Call, id: string, after: number) {
  const from = (cursor: number) =>
    read(call, eventsQuery, { id, after: cursor, first: mostEvents });
  return from(after).catch((error: unknown) => {
    const isExpired = error instanceof FactoryError && error.code === "EVENTS_EXPIRED";
    const first = isExpired ? error.facts["firstSequence"] : undefined;
    if (typeof first !== "number") throw error;
    return from(first - 1);
  });
}

const eventsQuery = {
  document: `query ($id: ID!, $after: Int!, $first: Int!) {
    workerSession(id: $id) {
      events(after: $after, first: $first) {
        ... on WorkerOutputEvent { text }
        ... on WorkerMessageEvent { text }
        ... on WorkerToolCallEvent { title }
      }
    }
  }`,
  field: "workerSession",
  as: z
    .object({
      events: z.array(z.object({ text: z.string().optional(), title: z.string().optional() })),
    })
    .nullable(),
};
