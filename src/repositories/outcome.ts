import type { PrismaClient } from "../database/client.ts";
import { isOutage } from "../database/errors.ts";
import { describeFailure } from "../database/failure.ts";
import { insist } from "../database/insist.ts";
import type { Logger } from "../log.ts";
import { changeRepository, lockRepository, type RepositoryChange } from "./record.ts";

export interface Outcome {
  readonly id: string;
  /** What the row says while the work is under way; where it says something else by now, nothing is written. */
  readonly during: "CLONING" | "SYNCING" | "REMOVING";
  readonly change: RepositoryChange;
}

/** Records how a clone, a fetch or a removal ended, so that no row says that it is under way for ever. */
export interface OutcomeRecorder {
  /** Waits out an outage. Where the outcome can't be stored, the row says FAILED and why. */
  record(outcome: Outcome): Promise<void>;
  /**
   * As `record`, but an outage is waited out in the background.
   * @param isUnderway whether the same has begun anew meanwhile, which then records its own end
   */
  recordSoon(outcome: Outcome, isUnderway: () => boolean): Promise<void>;
  /** Gives up what waits for the database: the next start settles those rows. */
  close(): Promise<void>;
}

export function createOutcomeRecorder({
  prisma,
  logger,
}: {
  readonly prisma: PrismaClient;
  readonly logger: Logger;
}): OutcomeRecorder {
  const closing = new AbortController();
  const { signal } = closing;
  const waiting = new Set<Promise<void>>();

  function write({ id, during, change }: Outcome, isUnderway = () => false): Promise<void> {
    return prisma.$transaction(async (transaction) => {
      const now = await lockRepository(transaction, id);
      if (now?.status === during && !isUnderway()) await changeRepository(transaction, id, change);
    });
  }

  /** What the database refuses for good is told in its place. */
  async function writeOrFail(outcome: Outcome, isUnderway?: () => boolean): Promise<void> {
    try {
      await write(outcome, isUnderway);
    } catch (error) {
      if (isOutage(error)) throw error;
      await write({ ...outcome, change: failed(error, logger) }, isUnderway);
    }
  }

  // Said again after a lost answer, it changes nothing.
  function record(outcome: Outcome, isUnderway?: () => boolean): Promise<void> {
    return insist(() => writeOrFail(outcome, isUnderway), {
      signal,
      onFailure(error) {
        logger.warn({ err: error }, "a repository's outcome waits for the database");
      },
    });
  }

  function recordLater(outcome: Outcome, isUnderway: () => boolean): void {
    const recording = record(outcome, isUnderway)
      .catch((error: unknown) => {
        // The sweep and the next start settle the row.
        if (signal.aborted) return;
        logger.error({ err: error, repositoryId: outcome.id }, "failed to record an outcome");
      })
      .finally(() => waiting.delete(recording));
    waiting.add(recording);
  }

  return {
    record: (outcome) => record(outcome),
    async recordSoon(outcome, isUnderway) {
      try {
        await writeOrFail(outcome);
      } catch (error) {
        logger.warn({ err: error }, "a repository's outcome waits for the database");
        recordLater(outcome, isUnderway);
      }
    },
    async close() {
      closing.abort();
      await Promise.all(waiting);
    },
  };
}

/** FAILED, with the reason. */
export function failed(error: unknown, logger: Logger): RepositoryChange {
  const { code, message } = describeFailure(error, logger);
  return { status: "FAILED", message, data: { failureCode: code, error: message } };
}
