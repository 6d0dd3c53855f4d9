// What the tests of housekeeping share.
import type { FactoryServer } from "./factory.ts";

export const maintenanceMutation = `mutation ($task: MaintenanceTask!) {
  runMaintenance(input: { task: $task }) { actions }
}`;

/** What it says that it did. */
export async function runMaintenance(
  server: FactoryServer,
  task: "SWEEP" | "GIT_MAINTENANCE" | "RETENTION" | "DISK_BUDGET",
): Promise<readonly string[]> {
  const { runMaintenance: payload } = await server.query<{
    runMaintenance: { actions: string[] };
  }>(maintenanceMutation, { task });
  return payload.actions;
}
