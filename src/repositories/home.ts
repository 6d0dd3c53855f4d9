// Which runner's clone a repository's row tells of, and what is asked of that runner.
import type { PrismaClient } from "../database/client.ts";
import type { Repository } from "../generated/prisma/client.ts";
import { runnerMethod, type RunnerCalls } from "../runners/calls.ts";
import { chooseRunner } from "../runners/choose.ts";

/** Clones the repository whose row says CLONING, and answers when that has ended, however it has. */
export const cloneMethod = runnerMethod<{ repositoryId: string }, object>("repositories.clone");
export const syncMethod = runnerMethod<{ repositoryId: string }, { updated: boolean }>(
  "repositories.sync",
);
/** The branches of a runner's clone with commits that are on no branch of the remote; none where it has no clone. */
export const unpushedMethod = runnerMethod<
  { url: string; owner: string; name: string },
  { branches: readonly string[] }
>("repositories.unpushed");
/** Removes a clone whose repository is gone. */
export const forgetMethod = runnerMethod<{ url: string; owner: string; name: string }, object>(
  "repositories.forget",
);

export interface HomeDependencies {
  readonly prisma: PrismaClient;
  readonly calls: RunnerCalls;
}

/**
 * The runner that holds the repository's own clone. One whose lease has ended is replaced: by this
 * server's own runner, else by any that is alive, which clones for itself when it has to.
 * @throws FactoryError RUNNER_UNAVAILABLE where no runner is alive
 */
export async function homeOf(
  { prisma, calls }: HomeDependencies,
  { id, runnerId }: Repository,
): Promise<string> {
  // A server's own runner is there, whatever its lease says.
  if (runnerId !== null && runnerId === calls.runnerId) return runnerId;
  const chosen = await chooseRunner(prisma, runnerId ?? calls.runnerId, calls);
  if (chosen === runnerId) return chosen;
  const next = calls.runnerId ?? chosen;
  // Somebody may have chosen before: then theirs stands.
  await prisma.repository.updateMany({ where: { id, runnerId }, data: { runnerId: next } });
  const now = await prisma.repository.findUnique({ where: { id }, select: { runnerId: true } });
  return now?.runnerId ?? next;
}
