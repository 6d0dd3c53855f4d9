// What the statuses mean for whoever looks after workers.
import type { WorkerStatus } from "./operations.ts";

export const liveStatuses = ["QUEUED", "PREPARING", "RUNNING", "WAITING"] as const;
export const endedStatuses = ["SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT", "LOST"] as const;
export const failedStatuses = ["FAILED", "TIMED_OUT", "LOST"] as const;

export const allStatuses = [...liveStatuses, ...endedStatuses] as const;

function isOneOf(statuses: readonly WorkerStatus[]): (status: WorkerStatus) => boolean {
  return (status) => statuses.includes(status);
}

/** It has not ended. */
export const isLive = isOneOf(liveStatuses);
/** It ended, and not as it was meant to. */
export const isFailed = isOneOf(failedStatuses);

export const statusWords: Readonly<Record<WorkerStatus, string>> = {
  QUEUED: "queued",
  PREPARING: "preparing",
  RUNNING: "running",
  WAITING: "waiting",
  SUCCEEDED: "succeeded",
  FAILED: "failed",
  CANCELLED: "cancelled",
  TIMED_OUT: "timed out",
  LOST: "lost",
};
