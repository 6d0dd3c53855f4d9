// What is POSTed: a change of the parent's stream, and the worker as it is now.
import type { Database } from "../../database/client.ts";
import type { StoredEvent } from "../../events/read.ts";
import type { Prisma } from "../../generated/prisma/client.ts";
import type { ParentEventPayload } from "../events.ts";
import { workerGlobalId, workerName } from "../find.ts";

const workerColumns = {
  id: true,
  number: true,
  status: true,
  statusReason: true,
  failureCode: true,
  agent: true,
  branch: true,
  issue: true,
  repositoryOwner: true,
  repositoryName: true,
  attempt: true,
  summary: true,
  commitCount: true,
  uncommittedFileCount: true,
  exitCode: true,
  pushedTo: true,
  inputTokens: true,
  outputTokens: true,
  costUsd: true,
} as const satisfies Prisma.WorkerSessionSelect;

type WorkerRow = Prisma.WorkerSessionGetPayload<{ select: typeof workerColumns }>;

export interface Delivery {
  readonly sequence: number;
  /** JSON. */
  readonly body: string;
}

/** The field names are those of GraphQL's WorkerStatusChange and WorkerSession. */
export async function describeChanges(
  database: Database,
  parentSession: string,
  events: readonly StoredEvent[],
): Promise<Delivery[]> {
  // A parent's stream holds nothing else; written by record.ts alone.
  const changes = events.map((event) => ({
    ...event,
    payload: event.payload as ParentEventPayload,
  }));
  const ids = [...new Set(changes.map(({ payload }) => payload.workerId))];
  const rows = await database.workerSession.findMany({
    where: { id: { in: ids } },
    select: workerColumns,
  });
  const workers = new Map(rows.map((row) => [row.id, row]));
  return changes.map(({ sequence, at, payload }) => {
    const worker = workers.get(payload.workerId);
    if (worker === undefined) throw new Error(`there is no worker ${payload.workerId}`);
    const { previousStatus, status, reason, report, outcome, permission } = payload;
    const { commitCount = null, uncommittedFileCount = null, summary = null } = payload;
    const body = JSON.stringify({
      parentSession,
      sequence,
      at,
      previousStatus,
      status,
      reason,
      report,
      outcome,
      commitCount,
      uncommittedFileCount,
      summary,
      permission: permission ?? null,
      worker: describeWorker(worker),
    });
    return { sequence, body };
  });
}

function describeWorker(row: WorkerRow): object {
  const { number, repositoryOwner, repositoryName, inputTokens, outputTokens, costUsd, ...rest } =
    row;
  return {
    ...rest,
    id: workerGlobalId(row),
    name: workerName({ number }),
    repositoryName: `${repositoryOwner}/${repositoryName}`,
    usage:
      inputTokens === null || outputTokens === null ? null : { inputTokens, outputTokens, costUsd },
  };
}
