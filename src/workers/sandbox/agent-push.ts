// A push that a worker in a sandbox makes itself: by the rules of those that Factory makes at the end.
import type { PrismaClient } from "../../database/client.ts";
import { forbidden } from "../../access/viewer.ts";
import type { Repository, WorkerSession } from "../../generated/prisma/client.ts";
import type { GitRepository, ServeInput } from "../../git/git.ts";
import { assertNotDefaultBranch, isOwnBranch } from "../push-rules.ts";

export interface AgentPush {
  readonly prisma: PrismaClient;
  readonly session: Pick<WorkerSession, "id" | "attempt" | "branch" | "dispatcherId" | "agentPush">;
  readonly repository: Repository;
  readonly clone: Pick<GitRepository, "servePush">;
}

/** @throws FactoryError FORBIDDEN, and as `servePush` */
export async function pushForAgent(
  { prisma, session, repository, clone }: AgentPush,
  input: ServeInput,
): Promise<void> {
  const { id, attempt, branch, dispatcherId } = session;
  if (!session.agentPush) {
    throw forbidden(
      "push from here: the session was dispatched without agentPush; commit, and with push Factory pushes the branch at the end",
    );
  }
  const request = { dispatcherId, repository, branch };
  assertNotDefaultBranch(request);
  const isNew = !(await isOwnBranch(prisma, request));
  const commit = await clone.servePush({ ...input, branch, isNew });
  if (commit === undefined) return;
  await prisma.workerSession.updateMany({
    where: { id, attempt, finishedAt: null },
    data: { pushedTo: `${repository.url} refs/heads/${branch}` },
  });
}
