// Where a worktree's status is written, and nowhere else.
import type { Database } from "../database/client.ts";
import type { Append } from "../events/append.ts";
import type { Prisma, Repository, Worktree } from "../generated/prisma/client.ts";
import type { WorktreeStatus } from "../generated/prisma/enums.ts";
import { assertTransition } from "../transitions.ts";
import { worktreeTransitions } from "./states.ts";

/** What the stream of a repository's worktrees holds. */
export interface WorktreeEvent {
  readonly branch: string;
  readonly status: WorktreeStatus;
  readonly worktreeId: string;
}

export const worktreeEventType = "worktree";

export function worktreeAppend(
  repository: Pick<Repository, "worktreeStreamId">,
  worktree: Pick<Worktree, "id" | "branch" | "status">,
): Append {
  const payload: WorktreeEvent = {
    branch: worktree.branch,
    status: worktree.status,
    worktreeId: worktree.id,
  };
  return {
    streamId: repository.worktreeStreamId,
    events: [{ type: worktreeEventType, payload }],
    subjects: [`Worktree:${worktree.id}`],
  };
}

/**
 * Writes the status and returns what the caller must append at its transaction's end.
 * @throws Error where the status may not follow the present one, or the row is gone.
 */
export async function changeWorktree(
  transaction: Database,
  id: string,
  status: WorktreeStatus,
  data: Prisma.WorktreeUncheckedUpdateInput = {},
): Promise<{ worktree: Worktree; append: Append }> {
  await transaction.$queryRaw`SELECT 1 FROM "Worktree" WHERE id = ${id}::uuid FOR UPDATE`;
  const before = await transaction.worktree.findUniqueOrThrow({ where: { id } });
  assertTransition(worktreeTransitions, before.status, status);
  const { repository, ...worktree } = await transaction.worktree.update({
    where: { id },
    data: {
      ...(status === "FAILED" ? {} : { failureCode: null, error: null }),
      ...data,
      status,
    },
    include: { repository: { select: { worktreeStreamId: true } } },
  });
  return { worktree, append: worktreeAppend(repository, worktree) };
}
