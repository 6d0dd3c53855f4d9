// What runs at set times, on whichever server has scheduled it under that name.
import type { PgBoss } from "pg-boss";
import type { Logger } from "../log.ts";

/** How often a server looks whether something is due: nothing that is scheduled is urgent. */
const lookEverySeconds = 15;
/** A run that takes longer, or whose server died, no longer counts as under way. */
const longestRunSeconds = 12 * 3600;
/** A run that nobody has begun by then is dropped: its server is away. */
const keepWaitingSeconds = 24 * 3600;
const keepFinishedSeconds = 3600;

export interface Schedule {
  /**
   * Of letters, digits and - . _ /. Servers that schedule the same name share its runs: each run is one's.
   * Scheduling it again replaces the times.
   */
  readonly name: string;
  /** Five fields, UTC. What was missed while no server ran is made up for once. */
  readonly cron: string;
  /** Run it so many seconds after now as well. */
  readonly firstAfterSeconds?: number | undefined;
  /** Its failures are logged; the next run is as planned. */
  readonly run: () => Promise<void>;
}

export async function startSchedule(
  boss: PgBoss,
  { name, cron, firstAfterSeconds, run }: Schedule,
  logger: Logger,
): Promise<void> {
  await boss.createQueue(name, {
    // One run waits at most: what comes due meanwhile is the same.
    policy: "short",
    retryLimit: 0,
    expireInSeconds: longestRunSeconds,
    retentionSeconds: keepWaitingSeconds,
    deleteAfterSeconds: keepFinishedSeconds,
  });
  await boss.schedule(name, cron, null, { tz: "UTC", missed: "once" });
  if (firstAfterSeconds !== undefined) {
    await boss.send(name, null, { startAfter: firstAfterSeconds });
  }
  await boss.work(name, { pollingIntervalSeconds: lookEverySeconds }, async () => {
    try {
      await run();
    } catch (error) {
      logger.error({ err: error, schedule: name }, "a scheduled run failed");
      throw error;
    }
  });
}

/** A name that was never scheduled is no error. */
export async function endSchedule(boss: PgBoss, name: string): Promise<void> {
  await boss.unschedule(name);
}
