// The last step of a session that succeeded and was to be pushed, before its end is recorded. The session
// is RUNNING meanwhile, so a server that is killed here begins the push again; what is at the remote by
// then is found there.
import type { PrismaClient } from "../database/client.ts";
import { describeFailure, type Failure } from "../database/failure.ts";
import { insist, type InsistOptions } from "../database/insist.ts";
import type { Repository, WorkerSession } from "../generated/prisma/client.ts";
import type { Logger } from "../log.ts";
import { step } from "../measurements.ts";
import type { RepositoryService } from "../repositories/service.ts";
import { assertNotDefaultBranch, explainTaken, isOwnBranch } from "./push-rules.ts";

/** null: it was not to be pushed, or was ended before it was. */
export type Pushed = { readonly to: string } | { readonly failure: Failure } | null;

export interface PushOptions {
  /** Whether the session, as its row is now, is to end as SUCCEEDED. */
  readonly succeeds: (session: WorkerSession) => boolean;
  /** What was committed beside the branch, which a push would leave behind; undefined: nothing. */
  readonly stray: string | undefined;
  /** Aborted when the session is to be ended: it is not pushed then. */
  readonly ending: AbortSignal;
  /** Aborted when the server stops: the next start pushes. */
  readonly patience: InsistOptions;
}

/** @throws the leaving signal's reason, and nothing else: a push that failed is an end like others. */
export async function pushWork(
  deps: {
    readonly prisma: PrismaClient;
    readonly repositories: RepositoryService;
    readonly logger: Logger;
  },
  { id }: Pick<WorkerSession, "id">,
  { succeeds, stray, ending, patience }: PushOptions,
): Promise<Pushed> {
  const session = await insist(
    () =>
      deps.prisma.workerSession.findUniqueOrThrow({ where: { id }, include: { repository: true } }),
    patience,
  );
  if (!session.push || !succeeds(session) || ending.aborted) return null;
  if (session.repository === null) {
    return { failure: notPushed({ code: "REPOSITORY_NOT_FOUND", message: "it was deleted" }) };
  }
  if (stray !== undefined) {
    const message = `${stray}: merge them into it, and push that`;
    return { failure: notPushed({ code: "BRANCH_CONFLICT", message }) };
  }
  const { repository, branch, dispatcherId } = session;
  const request = { dispatcherId, repository, branch };
  try {
    assertNotDefaultBranch(request);
    const isNew = !(await insist(() => isOwnBranch(deps.prisma, request), patience));
    const to = await step("push", { facts: { branch } }, () =>
      push(deps, repository, { branch, isNew, signals: [ending, patience.signal] }),
    );
    deps.logger.info({ to }, "the worker's branch was pushed");
    return { to };
  } catch (error) {
    patience.signal.throwIfAborted();
    if (wasAborted(ending)) return null;
    return { failure: notPushed(describeFailure(error, deps.logger)) };
  }
}

/** Asked anew: it may have become true meanwhile. */
function wasAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

async function push(
  { repositories }: { readonly repositories: RepositoryService },
  repository: Repository,
  how: { readonly branch: string; readonly isNew: boolean; readonly signals: AbortSignal[] },
): Promise<string> {
  const { branch, isNew, signals } = how;
  const signal = AbortSignal.any(signals);
  try {
    const { ref } = await repositories.open(repository).push({ branch, isNew, signal });
    return `${repository.url} ${ref}`;
  } catch (error) {
    throw isNew ? explainTaken(error, branch) : error;
  }
}

/** Success was reported when the agent's own end, a failure, had been looked at already. */
export const tooLate: Failure = notPushed({
  code: "WORKER_NOT_RUNNING",
  message: "success was reported after the end",
});

function notPushed({ code, message }: Failure): Failure {
  return { code, message: `the work is done, but the branch could not be pushed: ${message}` };
}
