// Who asks, and what they may see. An operator sees all; a worker sees itself, its descendants, their
// worktrees and its repository.
import { FactoryError } from "../errors.ts";
import type { ParentSession, Prisma, WorkerSession } from "../generated/prisma/client.ts";

export type Viewer =
  | { readonly kind: "operator" }
  | {
      readonly kind: "worker";
      readonly sessionId: string;
      /** worker-N */
      readonly name: string;
      readonly repositoryId: string | null;
    };

export function visibleWorkers(viewer: Viewer): Prisma.WorkerSessionWhereInput {
  if (viewer.kind === "operator") return {};
  const { sessionId } = viewer;
  return { OR: [{ id: sessionId }, { ancestorIds: { has: sessionId } }] };
}

export function visibleWorktrees(viewer: Viewer): Prisma.WorktreeWhereInput {
  return viewer.kind === "operator" ? {} : { workerSessions: { some: visibleWorkers(viewer) } };
}

export function visibleRepositories(viewer: Viewer): Prisma.RepositoryWhereInput {
  // No row has an empty list's id: a worker whose repository is gone sees none.
  if (viewer.kind === "operator") return {};
  return { id: { in: viewer.repositoryId === null ? [] : [viewer.repositoryId] } };
}

export function visibleParents(viewer: Viewer): Prisma.ParentSessionWhereInput {
  return viewer.kind === "operator" ? {} : { worker: visibleWorkers(viewer) };
}

export function canSeeWorker(
  viewer: Viewer,
  worker: Pick<WorkerSession, "id" | "ancestorIds">,
): boolean {
  return (
    viewer.kind === "operator" ||
    worker.id === viewer.sessionId ||
    worker.ancestorIds.includes(viewer.sessionId)
  );
}

/** @throws FactoryError FORBIDDEN */
export function assertSeesWorker(
  viewer: Viewer,
  worker: Pick<WorkerSession, "id" | "ancestorIds">,
): void {
  if (!canSeeWorker(viewer, worker)) {
    throw forbidden("a worker's token reads its own session and its descendants alone");
  }
}

/** For what a worker may do to its descendants, but not to itself. @throws FactoryError FORBIDDEN */
export function assertCommands(
  viewer: Viewer,
  worker: Pick<WorkerSession, "id" | "ancestorIds">,
): void {
  if (viewer.kind === "operator" || worker.ancestorIds.includes(viewer.sessionId)) return;
  throw forbidden("a worker's token may do this to the workers that it dispatched alone");
}

/** @throws FactoryError FORBIDDEN */
export function assertSeesRepository(viewer: Viewer, repository: { readonly id: string }): void {
  if (viewer.kind === "operator" || repository.id === viewer.repositoryId) return;
  throw forbidden("a worker's token reads its own repository alone");
}

/** @throws FactoryError FORBIDDEN */
export function assertSeesParent(
  viewer: Viewer,
  parent: Pick<ParentSession, "name">,
  worker: Pick<WorkerSession, "id" | "ancestorIds"> | null,
): void {
  if (viewer.kind === "operator" || parent.name === viewer.name) return;
  if (worker !== null && canSeeWorker(viewer, worker)) return;
  throw forbidden("of a parent session that is not its own, a worker's token reads the name alone");
}

/** @throws FactoryError FORBIDDEN */
export function assertOperator(viewer: Viewer): void {
  if (viewer.kind !== "operator") throw forbidden("this takes the operator's token");
}

export function forbidden(why: string): FactoryError {
  return new FactoryError("FORBIDDEN", why);
}
