import { assertOperator } from "../access/viewer.ts";
import { builder } from "../graphql/builder.ts";
import type { MaintenanceTask } from "./task.ts";

const MaintenanceTaskRef = builder.enumType("MaintenanceTask", {
  description:
    "What keeps a server, its files and the database in order. Each also runs by itself.",
  values: {
    SWEEP: {
      description:
        "Puts right rows and files that a kill, an outage or somebody's hand has left apart: worktrees, half clones, lock files, sessions' folders and processes. Every 10 minutes.",
    },
    GIT_MAINTENANCE: { description: "Repacks clones in which much has come together. Daily." },
    RETENTION: {
      description:
        "Deletes events older than FACTORY_RETENTION_DAYS. Events of sessions that have not ended stay, and so does every final status. Daily.",
    },
    DISK_BUDGET: {
      description:
        "While clones and worktrees take more than FACTORY_DISK_BUDGET, removes worktrees whose work is all on the remote, the one that was used longest ago first, and never anything else. Every 30 minutes, where that is set.",
    },
  } satisfies Record<MaintenanceTask, object>,
});

const RunMaintenanceInput = builder.inputType("RunMaintenanceInput", {
  description: "What to do now.",
  fields: (t) => ({
    task: t.field({ type: MaintenanceTaskRef, required: true, description: "The task to run." }),
  }),
});

const RunMaintenancePayload = builder.objectRef<{ actions: string[] }>("RunMaintenancePayload");
RunMaintenancePayload.implement({
  description: "What a housekeeping task did.",
  fields: (t) => ({
    actions: t.exposeStringList("actions", {
      description:
        "What was done, and what was left because work could be lost, a line each; empty where all was in order.",
    }),
  }),
});

builder.mutationField("runMaintenance", (t) =>
  t.field({
    type: RunMaintenancePayload,
    nullable: true,
    description:
      "Runs a housekeeping task now, and returns when it has ended. Operator only. Errors: FORBIDDEN.",
    args: {
      input: t.arg({ type: RunMaintenanceInput, required: true, description: "What to do." }),
    },
    async resolve(_root, { input: { task } }, { viewer, maintenance }) {
      assertOperator(viewer);
      return { actions: await maintenance.run(task) };
    },
  }),
);
