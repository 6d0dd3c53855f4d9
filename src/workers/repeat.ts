// What a session that repeats or goes on with another one takes over from it.
import type { PrismaClient } from "../database/client.ts";
import type { WorkerSession } from "../generated/prisma/client.ts";
import type { DispatchInput } from "./input.ts";

/** All but what is to be done, and from where. */
export async function inputOf(
  prisma: PrismaClient,
  previous: WorkerSession,
): Promise<Omit<DispatchInput, "task" | "branch" | "base" | "idempotencyKey">> {
  const parent = await prisma.parentSession.findUniqueOrThrow({
    where: { id: previous.parentSessionId },
  });
  return {
    parentSession: parent.name,
    repository: { owner: previous.repositoryOwner, name: previous.repositoryName },
    issue: previous.issue ?? undefined,
    agent: previous.agent,
    priority: previous.priority,
    timeoutSeconds: previous.timeoutSeconds ?? undefined,
    cleanup: previous.cleanup,
    retries: previous.retries,
    permissions: previous.permissions ?? undefined,
    push: previous.push || undefined,
    agentPush: previous.agentPush || undefined,
    maxCostUsd: previous.maxCostUsd ?? undefined,
    maxTurns: previous.maxTurns ?? undefined,
    sandbox: previous.sandboxRequest ?? undefined,
    network: previous.network ?? undefined,
    maxMemoryMib: previous.maxMemoryMib ?? undefined,
    maxCpus: previous.maxCpus ?? undefined,
    maxProcesses: previous.maxProcesses ?? undefined,
  };
}
