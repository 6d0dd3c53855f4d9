// How many workers a worker may dispatch, and that one which is to end dispatches none.
import type { Viewer } from "../access/viewer.ts";
import { counted } from "../counted.ts";
import type { Database } from "../database/client.ts";
import { FactoryError } from "../errors.ts";
import { isActive } from "./states.ts";

export interface ChildLimits {
  /** How many workers may stand above a worker. */
  readonly maxDepth: number;
  /** How many children of one worker may be unended at a time. */
  readonly maxChildren: number;
}

export interface ChildCheck {
  /** The worker to be the child's parent, and all above the child. */
  readonly parentWorkerId: string;
  readonly ancestorIds: readonly string[];
  /** As clients call the parent. */
  readonly parentName: string;
  readonly viewer: Viewer;
}

/**
 * Locks the parent's row, and the row of the worker that asks, to the transaction's end: two dispatches
 * can't both take the last place, and a cancellation comes before the child or finds it.
 * @throws FactoryError LIMIT_EXCEEDED, WORKER_NOT_RUNNING
 */
export async function assertMayHaveChild(
  transaction: Database,
  { maxDepth, maxChildren }: ChildLimits,
  { parentWorkerId, ancestorIds, parentName, viewer }: ChildCheck,
): Promise<void> {
  if (ancestorIds.length > maxDepth) {
    throw new FactoryError(
      "LIMIT_EXCEEDED",
      `${parentName} has ${counted(ancestorIds.length - 1, "worker")} above it, and a worker may have ${String(maxDepth)} at most (FACTORY_MAX_DEPTH): dispatch from one further up, or do the work in ${parentName} itself`,
    );
  }
  const speakerId = viewer.kind === "worker" ? viewer.sessionId : undefined;
  await lockAll(transaction, [parentWorkerId, ...(speakerId === undefined ? [] : [speakerId])]);
  if (speakerId !== undefined) await assertGoesOn(transaction, speakerId);
  const children = await transaction.workerSession.count({
    where: { parentWorkerId, finishedAt: null },
  });
  if (children < maxChildren) return;
  throw new FactoryError(
    "LIMIT_EXCEEDED",
    `${parentName} has ${String(children)} children that have not ended, and may have ${String(maxChildren)} at most (FACTORY_MAX_CHILDREN): wait for one to end, or cancel one`,
  );
}

/** In one order, as everywhere where several are locked, so that two can't wait for each other. */
async function lockAll(transaction: Database, ids: readonly string[]): Promise<void> {
  await transaction.$queryRaw`
    SELECT 1 FROM "WorkerSession" WHERE id = ANY(${ids}::uuid[]) ORDER BY id FOR UPDATE`;
}

/** The token was good when the call came in; its session may have ended since. */
async function assertGoesOn(transaction: Database, id: string): Promise<void> {
  const { status, cancelRequestedAt } = await transaction.workerSession.findUniqueOrThrow({
    where: { id },
    select: { status: true, cancelRequestedAt: true },
  });
  if (isActive(status) && cancelRequestedAt === null) return;
  throw new FactoryError(
    "WORKER_NOT_RUNNING",
    cancelRequestedAt === null
      ? "the session has ended: it can't dispatch any more"
      : "the session was cancelled: it can't dispatch any more",
  );
}
