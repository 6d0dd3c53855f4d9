// What the tests of housekeeping share.
import type { FactoryServer } from "./factory.ts";
import { queryDatabase } from "./inventory.ts";
import { eventually } from "./workers.ts";

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

/**
 * From now on nothing is done by itself, until the next start: what a test puts out of order is put right when
 * the test asks for it, and told to the test.
 */
export async function endSchedules(server: FactoryServer): Promise<void> {
  await queryDatabase(server, `DELETE FROM pgboss.schedule WHERE name LIKE 'maintenance/%'`);
  await eventually(async () => {
    // What came due at this moment waits in pg-boss's own queue first.
    await queryDatabase(
      server,
      `DELETE FROM pgboss.job WHERE name LIKE 'maintenance/%' AND state IN ('created', 'retry')`,
    );
    const [left] = await queryDatabase<{ count: number }>(
      server,
      `SELECT count(*)::int AS count FROM pgboss.job
        WHERE name = '__pgboss__send-it' AND state IN ('created', 'active')
           OR name LIKE 'maintenance/%' AND state IN ('created', 'retry', 'active')`,
    );
    return left?.count === 0;
  });
}
