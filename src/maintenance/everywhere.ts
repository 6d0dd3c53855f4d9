// A task that somebody asks for runs on every runner that is alive.
import type { PrismaClient } from "../database/client.ts";
import { runnerMethod, type RunnerCalls } from "../runners/calls.ts";
import { listRunners } from "../runners/list.ts";
import type { MaintenanceService } from "./service.ts";
import type { MaintenanceTask } from "./task.ts";

const runMethod = runnerMethod<{ task: MaintenanceTask }, { actions: string[] }>("maintenance.run");

export interface EverywhereDependencies {
  readonly prisma: PrismaClient;
  readonly calls: RunnerCalls;
  /** This server's own. */
  readonly local: MaintenanceService;
}

/** Where there is more than one runner, each line begins with the name of the one that did it. */
export function maintainEverywhere(deps: EverywhereDependencies): Pick<MaintenanceService, "run"> {
  const { prisma, calls, local } = deps;
  calls.handle(runMethod, async ({ task }) => ({ actions: await local.run(task) }));
  return {
    async run(task) {
      // The database is the same for all.
      if (task === "RETENTION") return local.run(task);
      const runners = (await listRunners(prisma, calls)).filter(({ alive }) => alive);
      const done = await Promise.all(
        runners.map(async ({ id, name }) => {
          const { actions } = await calls.call(id, runMethod, { task });
          return runners.length > 1 ? actions.map((action) => `${name}: ${action}`) : actions;
        }),
      );
      return done.flat();
    },
  };
}
