// The progress of a clone or a fetch, as events of the repository.
import type { PrismaClient } from "../database/client.ts";
import type { Repository } from "../generated/prisma/client.ts";
import type { TellProgress } from "../git/git.ts";
import type { Logger } from "../log.ts";
import { appendRepositoryEvent } from "./record.ts";

/** Progress is told at most this often, and where it moved by a percent or more. */
const progressIntervalMs = 250;

export interface ProgressTeller {
  readonly tell: TellProgress;
  /** Resolves when all that was told is stored; to be awaited before the end is recorded. */
  readonly told: () => Promise<void>;
}

export function createProgressTeller(
  { prisma, logger }: { readonly prisma: PrismaClient; readonly logger: Logger },
  repository: Repository,
  status: "CLONING" | "SYNCING",
): ProgressTeller {
  let toldAt = 0;
  let toldPercent = -1;
  let telling = Promise.resolve();
  return {
    tell(percent, stage) {
      const now = Date.now();
      if (percent === toldPercent || now - toldAt < progressIntervalMs) return;
      toldAt = now;
      toldPercent = percent;
      const event = { status, progress: percent, message: stage };
      telling = telling
        .then(() =>
          prisma.$transaction((transaction) =>
            appendRepositoryEvent(transaction, repository, event),
          ),
        )
        .catch((error: unknown) => {
          logger.warn({ err: error }, "the progress of a clone or fetch could not be told");
        });
    },
    told: () => telling,
  };
}
