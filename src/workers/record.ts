// Where a worker's status is written, and nowhere else.
import type { Database } from "../database/client.ts";
import type { Append, NewEvent } from "../events/append.ts";
import type { Prisma, WorkerSession } from "../generated/prisma/client.ts";
import type { WorkerStatus } from "../generated/prisma/enums.ts";
import { firstCharacters } from "../text.ts";
import { assertTransition } from "../transitions.ts";
import { changeWorktree } from "../worktrees/record.ts";
import { parentEventType, type ParentEventPayload, type WorkerEventPayloads } from "./events.ts";
import { isActive, isFinal, workerTransitions } from "./states.ts";

type SessionWithStreams = WorkerSession & {
  readonly parentSession: { readonly id: string; readonly streamId: string };
};

export function workerEvent<Type extends keyof WorkerEventPayloads>(
  type: Type,
  payload: WorkerEventPayloads[Type],
): NewEvent {
  return { type, payload };
}

/** The same news for those who watch the worker and those who watch its parent. */
export function tellBoth(
  session: SessionWithStreams,
  event: NewEvent,
  news: Omit<ParentEventPayload, "workerId">,
): Append[] {
  return [
    {
      streamId: session.streamId,
      events: [event],
      subjects: [`WorkerSession:${session.id}`],
    },
    tellParent(session, news),
  ];
}

export function tellParent(
  session: SessionWithStreams,
  news: Omit<ParentEventPayload, "workerId">,
): Append {
  const payload: ParentEventPayload = { ...news, workerId: session.id };
  return {
    streamId: session.parentSession.streamId,
    events: [{ type: parentEventType, payload }],
    subjects: [`ParentSession:${session.parentSession.id}`],
  };
}

export function statusAppends(
  session: SessionWithStreams,
  previousStatus: WorkerStatus | null,
): Append[] {
  const { status, statusReason: reason } = session;
  const change = { previousStatus, status, reason, ...(isFinal(status) ? endFacts(session) : {}) };
  return tellBoth(session, workerEvent("status", change), {
    ...change,
    report: null,
    outcome: null,
  });
}

/** Many ends are read at once: the session has the whole summary. */
const longestTold = 500;

function endFacts({ commitCount, uncommittedFileCount, summary }: WorkerSession) {
  return {
    commitCount,
    uncommittedFileCount,
    summary: summary === null ? null : firstCharacters(summary, longestTold),
  };
}

export const withStreams = {
  parentSession: { select: { id: true, streamId: true } },
} as const satisfies Prisma.WorkerSessionInclude;

export interface WorkerChange {
  readonly status: WorkerStatus;
  readonly reason: string | null;
  readonly data?: Prisma.WorkerSessionUncheckedUpdateInput;
  /** The attempt that speaks; another attempt's word is refused. Left out: whoever asks may. */
  readonly attempt?: number;
}

/** Locks the row, so that what is decided on it holds until the transaction's end. */
export async function lockWorker(transaction: Database, id: string): Promise<SessionWithStreams> {
  await transaction.$queryRaw`SELECT 1 FROM "WorkerSession" WHERE id = ${id}::uuid FOR UPDATE`;
  return transaction.workerSession.findUniqueOrThrow({ where: { id }, include: withStreams });
}

/**
 * Writes the status, and with it that of the worktree which the session begins or ceases to run in.
 * @returns what the caller must append at its transaction's end; undefined where an attempt that was
 * replaced, or a session that has ended, is spoken for: final is final.
 * @throws Error for any other change that the table of transitions doesn't hold.
 */
export async function changeWorker(
  transaction: Database,
  id: string,
  change: WorkerChange,
): Promise<{ session: SessionWithStreams; appends: Append[] } | undefined> {
  const before = await lockWorker(transaction, id);
  if (isFinal(before.status)) return undefined;
  if (change.attempt !== undefined && change.attempt !== before.attempt) return undefined;
  assertTransition(workerTransitions, before.status, change.status);
  const statusReason = isFinal(change.status)
    ? await withUndelivered(transaction, id, change.reason)
    : change.reason;
  const session = await transaction.workerSession.update({
    where: { id },
    data: {
      ...(isFinal(change.status) ? { finishedAt: new Date(), tokenHash: null } : {}),
      ...change.data,
      status: change.status,
      statusReason,
    },
    include: withStreams,
  });
  const worktreeAppends = await changeItsWorktree(transaction, before, session);
  return { session, appends: [...statusAppends(session, before.status), ...worktreeAppends] };
}

/** Whoever said something to it is to know that it was not heard. */
async function withUndelivered(
  transaction: Database,
  id: string,
  reason: string | null,
): Promise<string | null> {
  const count = await transaction.workerMessage.count({
    where: { sessionId: id, deliveredAt: null },
  });
  if (count === 0) return reason;
  const undelivered = `${count === 1 ? "a message" : `${String(count)} messages`} to it could not be delivered: send again to follow up`;
  return reason === null ? undelivered : `${reason}; ${undelivered}`;
}

async function changeItsWorktree(
  transaction: Database,
  before: WorkerSession,
  { status }: WorkerSession,
): Promise<Append[]> {
  // A session that is queued again has let go of its worktree.
  const { worktreeId } = before;
  if (worktreeId === null) return [];
  const runsNow = status === "RUNNING" && before.status === "PREPARING";
  const ranBefore = before.status !== "PREPARING" && isActive(before.status) && !isActive(status);
  if (!runsNow && !ranBefore) return [];
  const { append } = await changeWorktree(transaction, worktreeId, runsNow ? "RUNNING" : "READY");
  return [append];
}
