import type { Database } from "../database/client.ts";
import { FactoryError } from "../errors.ts";
import type { WorkerSession } from "../generated/prisma/client.ts";
import { parentStreamKey } from "./events.ts";
import { workerNumber } from "./find.ts";

/**
 * A parent exists from its first dispatch on, or since something was set for it before.
 * @throws FactoryError WORKER_NOT_FOUND
 */
export async function requireParent(transaction: Database, name: string): Promise<Parent> {
  const existing = await transaction.parentSession.findUnique({
    where: { name },
    include: { worker: true },
  });
  if (existing !== null) return parentOf(existing.id, existing.worker);
  const number = workerNumber(name);
  const worker =
    number === undefined ? null : await transaction.workerSession.findUnique({ where: { number } });
  if (number !== undefined && worker === null) {
    throw new FactoryError(
      "WORKER_NOT_FOUND",
      `parentSession is ${name}, which is a worker's name, but there is no such worker: choose another form of name for a parent that is no worker`,
    );
  }
  // Two first dispatches of one parent at the same time: the second waits here, and finds the first's row.
  await transaction.$queryRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`parent ${name}`}, 0))::text`;
  const key = parentStreamKey(name);
  const stream = await transaction.stream.upsert({ where: { key }, create: { key }, update: {} });
  const { id } = await transaction.parentSession.upsert({
    where: { name },
    create: { name, streamId: stream.id, workerId: worker?.id ?? null },
    update: {},
  });
  return parentOf(id, worker);
}

export interface Parent {
  readonly id: string;
  /** The worker that it is, if it is one. */
  readonly worker?: string;
  /** The workers above its children, outermost first. */
  readonly ancestors: string[];
}

function parentOf(id: string, worker: WorkerSession | null): Parent {
  if (worker === null) return { id, ancestors: [] };
  return { id, worker: worker.id, ancestors: [...worker.ancestorIds, worker.id] };
}
