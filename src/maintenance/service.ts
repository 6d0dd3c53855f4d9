import { FactoryError } from "../errors.ts";
import { createSharedRun, type SharedRun } from "../git/shared-run.ts";
import { keepDiskBudget } from "./disk-budget.ts";
import { maintainRepositories } from "./git-maintenance.ts";
import { expireEvents } from "./retention.ts";
import { sweep } from "./sweep.ts";
import { untilAborted } from "../until-aborted.ts";
import type { MaintenanceDependencies, MaintenanceTask, Task } from "./task.ts";

/** How long a stop waits for the step that is under way. */
const closeTimeoutMs = 2_000;

export interface MaintenanceService {
  /**
   * Runs the task for this server's runner and FACTORY_HOME; RETENTION is for the whole database. A task
   * runs once at a time: calls that come meanwhile share one further run.
   * @returns what was done, a sentence each
   */
  run(task: MaintenanceTask): Promise<string[]>;
  /** Ends what is under way, between two steps; what waits for it is refused with SERVICE_UNAVAILABLE. */
  close(): Promise<void>;
  isClosed(): boolean;
}

const tasks: Readonly<Record<MaintenanceTask, Task>> = {
  SWEEP: sweep,
  GIT_MAINTENANCE: maintainRepositories,
  RETENTION: expireEvents,
  DISK_BUDGET: keepDiskBudget,
};

export function createMaintenanceService(deps: MaintenanceDependencies): MaintenanceService {
  const closing = new AbortController();
  const runs = new Map<MaintenanceTask, SharedRun<string[]>>();
  const underway = new Set<Promise<unknown>>();

  async function runOnce(task: MaintenanceTask): Promise<string[]> {
    closing.signal.throwIfAborted();
    const begun = performance.now();
    const actions = await tasks[task](deps, closing.signal);
    const seconds = Math.round((performance.now() - begun) / 100) / 10;
    deps.logger[actions.length > 0 ? "info" : "debug"]({ task, actions, seconds }, "housekeeping");
    return actions;
  }

  return {
    async run(task) {
      let shared = runs.get(task);
      if (shared === undefined) {
        shared = createSharedRun(
          () => runOnce(task),
          () => runs.delete(task),
        );
        runs.set(task, shared);
      }
      const running = shared.join();
      underway.add(running);
      try {
        return await running;
      } finally {
        underway.delete(running);
      }
    },
    isClosed: () => closing.signal.aborted,
    async close() {
      closing.abort(new FactoryError("SERVICE_UNAVAILABLE", "the server stops: try again later"));
      const timeout = AbortSignal.timeout(closeTimeoutMs);
      await untilAborted(Promise.allSettled(underway), timeout).catch((error: unknown) => {
        // What is cut short is gone on with after the next start.
        if (!timeout.aborted) throw error;
      });
    },
  };
}
