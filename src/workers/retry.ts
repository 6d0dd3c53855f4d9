import type { Viewer } from "../access/viewer.ts";
import { FactoryError } from "../errors.ts";
import type { WorkerSession } from "../generated/prisma/client.ts";
import { dispatch, type DispatchDependencies, type Dispatched } from "./dispatch.ts";
import { workerName } from "./find.ts";
import { hashInput } from "./input.ts";
import { inputOf } from "./repeat.ts";
import { isFinal } from "./states.ts";

/** Dispatches the same work again, in the same worktree where it still exists. */
export async function retryWorker(
  deps: DispatchDependencies,
  previous: WorkerSession,
  idempotencyKey: string | undefined,
  viewer: Viewer,
): Promise<Dispatched> {
  if (!isFinal(previous.status)) {
    throw new FactoryError(
      "WORKER_NOT_ENDED",
      `${workerName(previous)} is ${previous.status}: cancel it, or wait for its end, before you retry it`,
    );
  }
  return dispatch(
    deps,
    {
      ...(await inputOf(deps.prisma, previous)),
      task: previous.task,
      branch: previous.branchGiven || wasPrepared(previous) ? previous.branch : undefined,
      base: previous.base ?? undefined,
      idempotencyKey,
    },
    viewer,
    { previousId: previous.id, inputHash: hashInput("retry", { id: previous.id }) },
  );
}

/** Until then a default branch is a name that may turn out to be somebody's. */
function wasPrepared({ worktreeId, startCommit }: WorkerSession): boolean {
  return worktreeId !== null || startCommit !== null;
}
