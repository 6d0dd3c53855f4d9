import { z } from "zod";
import { counted } from "../../counted.ts";
import { parentOf, read, type Call } from "../call.ts";
import { describeOtherParents, findOtherParents, knownParentsShape } from "../parents.ts";
import { defineTool } from "../tool.ts";
import {
  isUnfinished,
  lines,
  parentArgument,
  permissionFields,
  permissionShape,
  shorten,
  tellPermission,
  unfinishedStatuses,
} from "../words.ts";

/** A client ends a call after 60 seconds where nobody told it otherwise. */
const defaultSeconds = 30;
const mostSeconds = 300;
/** So many are told in one answer; the others by the next. */
const mostChanges = 100;
const longestReport = 4_000;

const changeShape = z.object({
  sequence: z.int(),
  previousStatus: z.string().nullable(),
  status: z.string(),
  reason: z.string().nullable(),
  report: z.string().nullable(),
  outcome: z.string().nullable(),
  commitCount: z.int().nullable(),
  uncommittedFileCount: z.int().nullable(),
  summary: z.string().nullable(),
  permission: permissionShape.nullable(),
  worker: z.object({ name: z.string() }),
});
type Change = z.output<typeof changeShape>;

export const waitForWorkers = defineTool({
  name: "wait_for_workers",
  title: "Wait for workers",
  description:
    "Waits until one of your workers has ended, reports something or asks for permission, or until timeoutSeconds have passed. Call it after dispatching, again and again, each time with the after of the last answer, until unfinished is 0: nothing is lost between two calls. Answers at once with what you have not heard yet, and where nothing is left to wait for. Of several status changes of one worker the latest alone is told. Next: answer_permission for each of pendingPermissions, whose workers stand still until then; get_worker for those that have ended.",
  audience: "all",
  hints: { readOnlyHint: true },
  input: z.strictObject({
    parentSession: parentArgument,
    after: z
      .int()
      .min(0)
      .default(0)
      .describe("The after of the last answer; 0, the default, in the first call."),
    timeoutSeconds: z
      .int()
      .min(1)
      .max(mostSeconds)
      .default(defaultSeconds)
      .describe("How long to wait. Less than the time after which your client gives a call up."),
    everyChange: z
      .boolean()
      .default(false)
      .describe("true: answer at every change of a status, such as QUEUED to RUNNING, too."),
  }),
  output: z.object({
    changes: z.array(
      z.object({
        sequence: z.int(),
        worker: z.string(),
        status: z.string(),
        reason: z.string().nullable(),
        report: z.string().nullable(),
        outcome: z.string().nullable(),
        commitCount: z.int().nullable().describe("Of one that has ended."),
        uncommittedFileCount: z
          .int()
          .nullable()
          .describe("Of one that has ended: files that it left changed or untracked."),
        summary: z.string().nullable().describe("Of one that has ended: the first 500 characters."),
        asks: z.string().nullable().describe("For what it needs permission."),
      }),
    ),
    after: z.int().describe("For the next call."),
    more: z.boolean().describe("true: there are more changes already: call again."),
    unfinished: z.int().describe("How many workers have not ended."),
    knownParents: knownParentsShape,
    pendingPermissions: z.array(
      permissionShape.omit({ id: true }).extend({ worker: z.string(), requestId: z.string() }),
    ),
  }),
  async run(args, call) {
    const parentSession = parentOf(call, args.parentSession);
    const { changes, totalCount: unfinished, nodes } = await waitForNews(call, parentSession, args);
    const knownParents =
      unfinished === 0 && changes.length === 0 && args.after === 0
        ? await findOtherParents(call, parentSession)
        : undefined;
    const more = changes.length === mostChanges;
    const after = changes.at(-1)?.sequence ?? args.after;
    const told = collapse(changes).map(({ worker, permission, report, ...change }) => ({
      sequence: change.sequence,
      worker: worker.name,
      status: change.status,
      reason: change.reason,
      report: report === null ? null : shorten(report, longestReport),
      outcome: change.outcome,
      commitCount: change.commitCount,
      uncommittedFileCount: change.uncommittedFileCount,
      summary: change.summary,
      asks: permission?.title ?? null,
    }));
    const pending = nodes.flatMap(({ name, pendingPermissions }) =>
      pendingPermissions.map((permission) => ({ worker: name, permission })),
    );
    return {
      result: {
        changes: told,
        after,
        more,
        unfinished,
        knownParents: knownParents ?? null,
        pendingPermissions: pending.map(({ worker, permission: { id, ...permission } }) => ({
          worker,
          requestId: id,
          ...permission,
        })),
      },
      text: lines(
        knownParents === undefined ? undefined : describeOtherParents(parentSession, knownParents),
        told.length === 0 && knownParents === undefined ? "Nothing new." : undefined,
        ...told.map(tellChange),
        ...pending.map(({ worker, permission }) => tellPermission(worker, permission)),
        knownParents === undefined && unfinished === 0 ? "No worker is unfinished." : undefined,
        unfinished === 0
          ? undefined
          : `${String(unfinished)} unfinished. Next: wait_for_workers(parentSession: ${JSON.stringify(parentSession)}, after: ${String(after)}).`,
        more ? "There are more changes already: call again." : undefined,
      ),
    };
  },
});

function tellChange(change: {
  readonly worker: string;
  readonly status: string;
  readonly reason: string | null;
  readonly report: string | null;
  readonly outcome: string | null;
  readonly commitCount: number | null;
  readonly uncommittedFileCount: number | null;
  readonly summary: string | null;
  readonly asks: string | null;
}): string {
  const { worker, status, reason, report, outcome, asks } = change;
  const { commitCount, uncommittedFileCount, summary } = change;
  if (report !== null) {
    return `${worker} reports${outcome === null ? "" : ` (${outcome})`}: ${report}`;
  }
  if (asks !== null) return `${worker} is ${status}: it asks for permission`;
  const work = [
    commitCount === null ? undefined : counted(commitCount, "commit"),
    uncommittedFileCount === null ? undefined : counted(uncommittedFileCount, "uncommitted file"),
  ].filter((part) => part !== undefined);
  return lines(
    `${worker} is ${status}${reason === null ? "" : `: ${reason}`}${work.length === 0 ? "" : ` (${work.join(", ")})`}`,
    summary === null ? undefined : `  Summary: ${summary}`,
  );
}

interface Waiting {
  readonly after: number;
  readonly timeoutSeconds: number;
  readonly everyChange: boolean;
}

type Unfinished = Awaited<ReturnType<typeof readUnfinished>>;

/** Until the time is over, there is news, or nothing is left that could send some. */
async function waitForNews(
  call: Call,
  parentSession: string,
  args: Waiting,
): Promise<Unfinished & { changes: Change[] }> {
  const deadline = performance.now() + args.timeoutSeconds * 1000;
  const before = await readUnfinished(call, parentSession);
  const changes: Change[] = [];
  const reached = () => changes.at(-1)?.sequence ?? args.after;
  /** @returns whether there was something */
  async function readOn(timeoutSeconds: number): Promise<boolean> {
    const variables = { parentSession, after: reached(), timeoutSeconds };
    const { value } = await read(call, waitQuery, variables);
    changes.push(...value.slice(0, mostChanges - changes.length));
    return value.length > 0;
  }

  do {
    const left = Math.ceil((deadline - performance.now()) / 1000);
    // Where nobody is at work who could send something, this reads what was not heard yet.
    await readOn(before.totalCount === 0 ? 1 : Math.max(1, left));
  } while (
    before.totalCount > 0 &&
    changes.length < mostChanges &&
    !changes.some((change) => args.everyChange || isNewsworthy(change)) &&
    performance.now() < deadline
  );

  const unfinished = await readUnfinished(call, parentSession);
  // Nobody calls again once none is unfinished: who has ended since the changes were read is told now.
  if (unfinished.totalCount === 0) {
    const last = await readLastSequence(call, parentSession);
    let isMore = reached() < last;
    while (isMore && changes.length < mostChanges) isMore = (await readOn(1)) && reached() < last;
  }
  return { ...unfinished, changes };
}

function isNewsworthy({ status, report, permission }: Change): boolean {
  return !isUnfinished(status) || report !== null || permission !== null;
}

/** Reports and requests as they are; of a worker's status changes the last. */
function collapse(changes: readonly Change[]): Change[] {
  const latest = new Map(
    changes.filter(isStatusChange).map((change) => [change.worker.name, change]),
  );
  return changes.filter(
    (change) => !isStatusChange(change) || latest.get(change.worker.name) === change,
  );
}

function isStatusChange({ report, permission }: Change): boolean {
  return report === null && permission === null;
}

const waitQuery = {
  document: `query ($parentSession: String!, $after: Int!, $timeoutSeconds: Int) {
    waitForWorkers(parentSession: $parentSession, after: $after, timeoutSeconds: $timeoutSeconds) {
      sequence previousStatus status reason report outcome
      commitCount uncommittedFileCount summary
      permission { ${permissionFields} }
      worker { name }
    }
  }`,
  field: "waitForWorkers",
  as: z.array(changeShape),
};

async function readUnfinished(call: Call, parentSession: string) {
  const variables = { parentSession, status: unfinishedStatuses };
  return (await read(call, unfinishedQuery, variables)).value;
}

async function readLastSequence(call: Call, name: string): Promise<number> {
  return (await read(call, parentQuery, { name })).value?.lastSequence ?? 0;
}

const parentQuery = {
  document: `query ($name: String!) { parentSession(name: $name) { lastSequence } }`,
  field: "parentSession",
  as: z.object({ lastSequence: z.int() }).nullable(),
};

const unfinishedQuery = {
  document: `query ($parentSession: String!, $status: [WorkerStatus!]!) {
    workerSessions(parentSession: $parentSession, status: $status, first: 100) {
      totalCount
      nodes { name pendingPermissions { ${permissionFields} } }
    }
  }`,
  field: "workerSessions",
  as: z.object({
    totalCount: z.int(),
    nodes: z.array(z.object({ name: z.string(), pendingPermissions: z.array(permissionShape) })),
  }),
};
