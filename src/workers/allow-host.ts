// A host more for a worker that runs, and for its repository's later ones.
import type { PrismaClient } from "../database/client.ts";
import { FactoryError } from "../errors.ts";
import { appendEvents } from "../events/append.ts";
import type { WorkerSession } from "../generated/prisma/client.ts";
import {
  parseHostPattern,
  parseNetworkRules,
  readStoredRules,
  writeHostPattern,
  writeNetworkRules,
} from "../network-rules.ts";
import { workerName } from "./find.ts";
import { workerTopic } from "./events.ts";
import { lockWorker } from "./record.ts";
import { isFinal } from "./states.ts";

export interface AllowedHost {
  readonly host: string;
  /** Also for the workers of its repository that start from now on. */
  readonly forRepository: boolean;
}

/**
 * Recorded, and passed on by the session's runner at once. A session that has ended takes it for its repository alone.
 * @throws FactoryError BAD_INPUT, WORKER_NOT_RUNNING, REPOSITORY_NOT_FOUND
 */
export async function allowHost(
  prisma: PrismaClient,
  id: string,
  { host: text, forRepository }: AllowedHost,
): Promise<WorkerSession> {
  const pattern = parseHostPattern(text);
  if (typeof pattern === "string") throw new FactoryError("BAD_INPUT", `host ${pattern}`);
  const host = writeHostPattern(pattern);
  return prisma.$transaction(async (transaction) => {
    const session = await lockWorker(transaction, id);
    const { repositoryId } = session;
    const hasEnded = isFinal(session.status);
    if (hasEnded && !forRepository) {
      throw new FactoryError(
        "WORKER_NOT_RUNNING",
        `${workerName(session)} has ended: allow the host for its repository`,
      );
    }
    if (forRepository) {
      if (repositoryId === null) {
        throw new FactoryError("REPOSITORY_NOT_FOUND", "the worker's repository is gone");
      }
      const { network } = await transaction.repository.findUniqueOrThrow({
        where: { id: repositoryId },
        select: { network: true },
      });
      await transaction.repository.update({
        where: { id: repositoryId },
        data: { network: withHost(network, host) },
      });
    }
    const updated = hasEnded
      ? session
      : await transaction.workerSession.update({
          where: { id },
          data: { network: withHost(session.network, host) },
        });
    await appendEvents(transaction, [], [workerTopic(id)]);
    return updated;
  });
}

/** @throws FactoryError BAD_INPUT where the list is full */
function withHost(stored: string | null, host: string): string {
  const before = readStoredRules(stored);
  if (before.hosts.map(writeHostPattern).includes(host)) return writeNetworkRules(before);
  const parsed = parseNetworkRules([stored ?? "", host].filter(Boolean).join(","));
  if (typeof parsed === "string") throw new FactoryError("BAD_INPUT", `host ${parsed}`);
  return writeNetworkRules(parsed);
}
