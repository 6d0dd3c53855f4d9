// To which branches a session may be pushed that was dispatched with a worker's token: those that the worker or its
// descendants made, never the default branch. Asked at the dispatch, before the agent starts, and by the push.
import { forbidden } from "../access/viewer.ts";
import type { Database } from "../database/client.ts";
import { FactoryError } from "../errors.ts";
import type { Repository } from "../generated/prisma/client.ts";
import type { GitRepository } from "../git/git.ts";

/** What a remote without a commit makes its default branch when it first gets one of these. */
const usualDefaults = ["main", "master"];

export interface PushRequest {
  /** The worker with the token of which it was dispatched; null: the operator, who may push anywhere. */
  readonly dispatcherId: string | null;
  readonly repository: Pick<Repository, "id" | "defaultBranch">;
  readonly branch: string;
}

/** @throws FactoryError FORBIDDEN */
export function assertNotDefaultBranch({
  dispatcherId,
  repository: { defaultBranch },
  branch,
}: PushRequest): void {
  if (dispatcherId === null) return;
  const defaults = defaultBranch === null ? usualDefaults : [defaultBranch];
  if (!defaults.some((name) => isSameButForCase(name, branch))) return;
  throw forbidden(
    `push to ${branch}: a worker's token never pushes to the default branch; choose another branch`,
  );
}

/**
 * Whether the remote's branch, if there is one, was made by the dispatcher or its descendants: it is the
 * dispatcher's own, the operator gave it to a descendant to push to, or a descendant has pushed it.
 */
export async function isOwnBranch(
  database: Database,
  { dispatcherId, repository, branch }: PushRequest,
): Promise<boolean> {
  if (dispatcherId === null) return true;
  const found = await database.workerSession.findFirst({
    where: {
      repositoryId: repository.id,
      branch,
      AND: [
        { OR: [{ push: true }, { agentPush: true }] },
        {
          OR: [
            { id: dispatcherId },
            {
              ancestorIds: { has: dispatcherId },
              OR: [{ pushedTo: { not: null } }, { dispatcherId: null }],
            },
          ],
        },
      ],
    },
    select: { id: true },
  });
  return found !== null;
}

/**
 * As the last fetch knows it: a branch that the remote got since then is found by the push itself.
 * @param git the clone, where it is on this runner
 * @throws FactoryError FORBIDDEN
 */
export async function assertMayPush(
  database: Database,
  git: GitRepository | undefined,
  request: PushRequest,
): Promise<void> {
  const { branch, dispatcherId } = request;
  if (dispatcherId === null) return;
  assertNotDefaultBranch(request);
  if (git === undefined || (await isOwnBranch(database, request))) return;
  const [existing] = await git.findRemoteBranches(branch);
  if (existing !== undefined) throw notItsOwn(existing);
}

export function notItsOwn(branch: string): FactoryError {
  return forbidden(
    `push to ${branch}: the remote has that branch, and neither the worker that dispatches nor one of its descendants made it; choose another branch`,
  );
}

/** The push of a branch that the remote was not to have yet. */
export function explainTaken(error: unknown, branch: string): unknown {
  return error instanceof FactoryError && error.code === "BRANCH_CONFLICT"
    ? notItsOwn(branch)
    : error;
}

function isSameButForCase(one: string, other: string): boolean {
  return one.normalize("NFC").toLowerCase() === other.normalize("NFC").toLowerCase();
}
