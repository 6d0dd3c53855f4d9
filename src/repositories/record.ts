// Where a repository's status is written, and nowhere else.
import type { Database } from "../database/client.ts";
import { appendEvents } from "../events/append.ts";
import type { Prisma, Repository } from "../generated/prisma/client.ts";
import type { RepositoryStatus } from "../generated/prisma/enums.ts";
import { assertTransition } from "../transitions.ts";
import { repositoryEventType, type RepositoryEvent } from "./events.ts";
import { repositoryTransitions } from "./states.ts";

export interface RepositoryChange {
  readonly status: RepositoryStatus;
  readonly message?: string | undefined;
  readonly data?: Prisma.RepositoryUncheckedUpdateInput | undefined;
}

export async function appendRepositoryEvent(
  transaction: Database,
  repository: Pick<Repository, "id" | "streamId">,
  event: Omit<RepositoryEvent, "repositoryId">,
): Promise<void> {
  const payload: RepositoryEvent = { ...event, repositoryId: repository.id };
  await appendEvents(transaction, [
    {
      streamId: repository.streamId,
      events: [{ type: repositoryEventType, payload }],
      subjects: [`Repository:${repository.id}`],
    },
  ]);
}

/** Held to the transaction's end by whoever makes the row of an owner and name, takes it up, or removes it. */
export async function lockKey(transaction: Database, key: string): Promise<void> {
  await transaction.$queryRaw`SELECT pg_advisory_xact_lock(hashtextextended(${key}, 0))::text`;
}

/** Locks the row, so that what is decided on it holds until the transaction's end. */
export async function lockRepository(
  transaction: Database,
  id: string,
): Promise<Repository | null> {
  await transaction.$queryRaw`SELECT 1 FROM "Repository" WHERE id = ${id}::uuid FOR UPDATE`;
  return transaction.repository.findUnique({ where: { id } });
}

/** @throws Error where the status may not follow the present one, or the row is gone. */
export async function changeRepository(
  transaction: Database,
  id: string,
  change: RepositoryChange,
): Promise<Repository> {
  const before = await lockRepository(transaction, id);
  if (before === null) throw new Error(`repository ${id} is gone`);
  assertTransition(repositoryTransitions, before.status, change.status);
  const failed = change.status === "FAILED";
  const after = await transaction.repository.update({
    where: { id },
    data: {
      ...(failed ? {} : { failureCode: null, error: null }),
      ...change.data,
      status: change.status,
    },
  });
  await appendRepositoryEvent(transaction, after, {
    status: after.status,
    progress: null,
    message: change.message ?? null,
  });
  return after;
}
