// When the tasks run by themselves.
import type { WorkQueue } from "../queue/queue.ts";
import type { MaintenanceService } from "./service.ts";
import { maintenanceTasks, type MaintenanceTask } from "./task.ts";

interface Times {
  readonly cron: string;
  readonly firstAfterSeconds?: number;
  /** Whether each runner does it for its own files; else one server does it for all. */
  readonly byRunner: boolean;
}

const times: Readonly<Record<MaintenanceTask, Times>> = {
  // Soon after a start too, as that may have followed a kill.
  SWEEP: { cron: "*/10 * * * *", firstAfterSeconds: 10, byRunner: true },
  DISK_BUDGET: { cron: "15,45 * * * *", byRunner: true },
  GIT_MAINTENANCE: { cron: "10 3 * * *", byRunner: true },
  RETENTION: { cron: "40 3 * * *", byRunner: false },
};

/** At each start: times are then those of this version and of these settings. */
export async function scheduleMaintenance(
  queue: WorkQueue,
  maintenance: MaintenanceService,
  { runnerId, hasDiskBudget }: { readonly runnerId: string; readonly hasDiskBudget: boolean },
): Promise<void> {
  for (const task of maintenanceTasks) {
    const { byRunner, ...when } = times[task];
    const name = `maintenance/${task}${byRunner ? `/${runnerId}` : ""}`;
    if (task === "DISK_BUDGET" && !hasDiskBudget) {
      await queue.unschedule(name);
      continue;
    }
    await queue.schedule({
      name,
      ...when,
      async run() {
        await maintenance.run(task).catch((error: unknown) => {
          // Cut short by the server's stop: the next start makes up for it.
          if (!maintenance.isClosed()) throw error;
        });
      },
    });
  }
}
