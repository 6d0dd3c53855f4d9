import type { WorkerStatus } from "../generated/prisma/enums.ts";
import type { Transitions } from "../transitions.ts";

/** QUEUED follows an active status only where its runner was lost and retries are left. */
export const workerTransitions: Transitions<WorkerStatus> = {
  QUEUED: ["PREPARING", "CANCELLED", "FAILED"],
  PREPARING: ["RUNNING", "FAILED", "CANCELLED", "LOST", "QUEUED"],
  RUNNING: ["WAITING", "SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT", "LOST", "QUEUED"],
  WAITING: ["RUNNING", "FAILED", "CANCELLED", "TIMED_OUT", "LOST", "QUEUED"],
  SUCCEEDED: [],
  FAILED: [],
  CANCELLED: [],
  TIMED_OUT: [],
  LOST: [],
};

/** Such a session holds its worktree and, unless it is WAITING, a slot. */
export const activeStatuses = ["PREPARING", "RUNNING", "WAITING"] as const satisfies WorkerStatus[];
export const finalStatuses = [
  "SUCCEEDED",
  "FAILED",
  "CANCELLED",
  "TIMED_OUT",
  "LOST",
] as const satisfies WorkerStatus[];

export function isFinal(status: WorkerStatus): boolean {
  return workerTransitions[status].length === 0;
}

export function isActive(status: WorkerStatus): boolean {
  return (activeStatuses as readonly WorkerStatus[]).includes(status);
}
