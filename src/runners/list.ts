import type { Database } from "../database/client.ts";

export interface ListedRunner {
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly version: string;
  readonly capacity: number;
  readonly running: number;
  readonly lastSeenAt: Date;
  readonly alive: boolean;
}

/** All that ever registered and are still known, by name; a lease is judged by the database's clock. */
export function listRunners(database: Database): Promise<ListedRunner[]> {
  return database.$queryRaw<ListedRunner[]>`
    SELECT id, name, host, version, capacity, "lastSeenAt", "leaseEndsAt" > now() AS alive,
           (SELECT count(*) FROM "WorkerSession" AS session
            WHERE session."runnerId" = runner.id
              AND session.status IN ('PREPARING', 'RUNNING', 'WAITING'))::int AS running
    FROM "Runner" AS runner ORDER BY name`;
}
