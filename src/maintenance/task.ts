import type { PrismaClient } from "../database/client.ts";
import { describeFailure } from "../database/failure.ts";
import type { Git } from "../git/git.ts";
import type { Logger } from "../log.ts";
import type { RepositoryService } from "../repositories/service.ts";
import type { WorktreeService } from "../worktrees/service.ts";

/** What keeps a server and its files in order. */
export const maintenanceTasks = ["SWEEP", "GIT_MAINTENANCE", "RETENTION", "DISK_BUDGET"] as const;
export type MaintenanceTask = (typeof maintenanceTasks)[number];

export interface MaintenanceDependencies {
  readonly prisma: PrismaClient;
  readonly git: Git;
  readonly repositories: RepositoryService;
  readonly worktrees: WorktreeService;
  /** FACTORY_HOME. */
  readonly home: string;
  readonly runnerId: string;
  /** Whether this server works on the session at the moment, whatever its row says. */
  readonly isUnderway: (sessionId: string) => boolean;
  readonly killGraceMs: number;
  readonly retentionDays: number;
  /** Bytes; undefined: no limit. */
  readonly diskBudget: number | undefined;
  readonly logger: Logger;
}

/** `signal`: the server stops, and with it the task, between two steps. @returns what was done, a sentence each */
export type Task = (deps: MaintenanceDependencies, signal: AbortSignal) => Promise<string[]>;

/** A step that fails is told beside what the others did, and keeps none of them from being done. */
export async function step(
  logger: Logger,
  what: string,
  run: () => Promise<readonly string[]>,
): Promise<readonly string[]> {
  try {
    return await run();
  } catch (error) {
    return [`${what} failed: ${describeFailure(error, logger).message}.`];
  }
}
