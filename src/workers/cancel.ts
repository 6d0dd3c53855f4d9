import type { Database, PrismaClient } from "../database/client.ts";
import { appendEvents, type Append } from "../events/append.ts";
import type { WorkerSession } from "../generated/prisma/client.ts";
import type { WorkQueue } from "../queue/queue.ts";
import { lockTaking } from "../worktrees/remove.ts";
import { queueTopic, workerTopic } from "./events.ts";
import { workerName } from "./find.ts";
import { changeWorker, lockWorker } from "./record.ts";
import { isFinal } from "./states.ts";
import { tellEnd } from "./trace.ts";

export interface CancelDependencies {
  readonly prisma: PrismaClient;
  readonly queue: WorkQueue;
}

/**
 * Records the intent, which beats a later exit 0, and returns. A queued session ends at once; one that
 * runs is ended by its runner, which the topic wakes. An ended one stays as it is.
 */
export async function cancelWorker(
  deps: CancelDependencies,
  id: string,
  reason: string | undefined,
): Promise<WorkerSession> {
  const cancelled = await deps.prisma.$transaction(async (transaction) => {
    // Whoever takes a session locks its job first and its row then: in the other order, each could wait for the other.
    await lockTaking(transaction);
    const one = await cancelOne(transaction, deps.queue, id, reason);
    await appendEvents(transaction, one.appends, one.topics);
    return one;
  });
  tellEnded([cancelled]);
  return cancelled.session;
}

/** Those that were queued have ended with it. */
function tellEnded(cancelled: readonly Cancelled[]): void {
  for (const { session, hasEnded } of cancelled) if (hasEnded) tellEnd(session);
}

/**
 * The worker, and all of its descendants that have not ended, also where it has ended itself. Of a family
 * that is cancelled so nobody can dispatch any more: who tries waits for these locks, and is refused then.
 */
export async function cancelFamily(
  deps: CancelDependencies,
  id: string,
  reason: string | undefined,
): Promise<WorkerSession> {
  const cancelled = await deps.prisma.$transaction(async (transaction) => {
    await lockTaking(transaction);
    const descendants = await lockFamily(transaction, id);
    const first = await cancelOne(transaction, deps.queue, id, reason);
    const rest: Cancelled[] = [];
    const name = workerName(first.session);
    const theirs = reason === undefined ? `with ${name}` : `with ${name}: ${reason}`;
    const appends = [...first.appends];
    const topics = new Set(first.topics);
    for (const descendant of descendants) {
      const more = await cancelOne(transaction, deps.queue, descendant, theirs);
      rest.push(more);
      appends.push(...more.appends);
      for (const topic of more.topics) topics.add(topic);
    }
    await appendEvents(transaction, joinByStream(appends), [...topics]);
    return { first, rest };
  });
  tellEnded([cancelled.first, ...cancelled.rest]);
  return cancelled.first.session;
}

/** @returns the descendants, parents before their children */
async function lockFamily(transaction: Database, id: string): Promise<string[]> {
  let known = -1;
  for (;;) {
    // In one order, as everywhere where several are locked.
    const family = await transaction.$queryRaw<{ id: string; depth: number }[]>`
      SELECT id, cardinality("ancestorIds") AS depth FROM "WorkerSession"
      WHERE id = ${id}::uuid OR ("ancestorIds" @> ARRAY[${id}::uuid] AND "finishedAt" IS NULL)
      ORDER BY id FOR UPDATE`;
    // One that had no lock yet may have dispatched another while the others' were waited for.
    if (family.length === known) {
      const ordered = family.toSorted((a, b) => a.depth - b.depth);
      return ordered.map((member) => member.id).filter((member) => member !== id);
    }
    known = family.length;
  }
}

interface Cancelled {
  readonly session: WorkerSession;
  readonly appends: readonly Append[];
  readonly topics: readonly string[];
  /** At once, as nobody had taken it yet. */
  readonly hasEnded: boolean;
}

async function cancelOne(
  transaction: Database,
  queue: WorkQueue,
  id: string,
  reason: string | undefined,
): Promise<Cancelled> {
  const session = await lockWorker(transaction, id);
  if (isFinal(session.status) || session.cancelRequestedAt !== null) {
    return { session, appends: [], topics: [], hasEnded: false };
  }
  const intent = { cancelRequestedAt: new Date(), cancelReason: reason ?? null };
  if (session.status === "QUEUED") {
    await queue.remove(transaction, id);
    const changed = await changeWorker(transaction, id, {
      status: "CANCELLED",
      reason: cancelText(reason),
      data: intent,
    });
    if (changed === undefined) return { session, appends: [], topics: [], hasEnded: false };
    return { ...changed, topics: [queueTopic], hasEnded: true };
  }
  const cancelled = await transaction.workerSession.update({ where: { id }, data: intent });
  return { session: cancelled, appends: [], topics: [workerTopic(id)], hasEnded: false };
}

/** Siblings tell the same parent: one append for it, so that its stream's row is written once. */
function joinByStream(appends: readonly Append[]): Append[] {
  const joined = new Map<string, Append>();
  for (const append of appends) {
    const before = joined.get(append.streamId);
    const { streamId } = append;
    joined.set(streamId, {
      streamId,
      events: [...(before?.events ?? []), ...append.events],
      subjects: [...new Set([...(before?.subjects ?? []), ...(append.subjects ?? [])])],
    });
  }
  return [...joined.values()];
}

export function cancelText(reason: string | null | undefined): string {
  return reason === null || reason === undefined ? "cancelled" : `cancelled: ${reason}`;
}
