// The last step of a session that succeeded and was to be pushed, before its end is recorded. The session
// is RUNNING meanwhile, so a server that is killed here begins the push again; what is at the remote by
// then is found there.
import type { PrismaClient } from "../database/client.ts";
import { describeFailure, type Failure } from "../database/failure.ts";
import { insist, type InsistOptions } from "../database/insist.ts";
import type { Repository, WorkerSession } from "../generated/prisma/client.ts";
import type { PushInput } from "../git/git.ts";
import type { Logger } from "../log.ts";
import { step } from "../measurements.ts";
import type { RepositoryService } from "../repositories/service.ts";
import { findUnpushable, type EndedWork } from "./ended-work.ts";
import { assertNotDefaultBranch, explainTaken, isOwnBranch } from "./push-rules.ts";

/** null: it was not to be pushed, or was ended before it was. */
export type Pushed = { readonly to: string } | { readonly failure: Failure } | null;

export interface PushOptions {
  /** Whether the session, as its row is now, is to end as SUCCEEDED. */
  readonly succeeds: (session: WorkerSession) => boolean;
  readonly work: EndedWork;
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
  { succeeds, work, ending, patience }: PushOptions,
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
  const unpushable = findUnpushable(work);
  if (unpushable !== undefined) {
    const { code, message } = unpushable;
    return { failure: { code, message: `the branch was not pushed: ${message}` } };
  }
  const { repository, branch, dispatcherId } = session;
  const request = { dispatcherId, repository, branch };
  try {
    assertNotDefaultBranch(request);
    const isNew = !(await insist(() => isOwnBranch(deps.prisma, request), patience));
    const to = await step("push", { facts: { branch } }, () =>
      push(deps, repository, {
        branch,
        commit: work.tip ?? undefined,
        isNew,
        signals: [ending, patience.signal],
      }),
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
  { signals, ...input }: Omit<PushInput, "signal"> & { readonly signals: AbortSignal[] },
): Promise<string> {
  const signal = AbortSignal.any(signals);
  try {
    const { ref } = await repositories.open(repository).push({ ...input, signal });
    return `${repository.url} ${ref}`;
  } catch (error) {
    throw input.isNew === true ? explainTaken(error, input.branch) : error;
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
