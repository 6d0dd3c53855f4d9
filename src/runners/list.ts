import type { Database } from "../database/client.ts";

export interface ListedRunner {
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly version: string;
  readonly capacity: number;
  readonly running: number;
  readonly hasSandbox: boolean | null;
  readonly noSandboxReason: string | null;
  readonly waitReason: string | null;
  readonly lastSeenAt: Date;
  readonly alive: boolean;
}

/** Who judges leases: its own runner is there whatever its lease says, and none has ended by an outage. */
export interface LeaseJudge {
  /** undefined: it has no runner. */
  readonly runnerId: string | undefined;
  /** By how much a lease must have ended to count as ended: see sight.ts. */
  graceMs(): number;
}

/** All that ever registered and are still known, by name; a lease is judged by the database's clock. */
export function listRunners(database: Database, judge?: LeaseJudge): Promise<ListedRunner[]> {
  const graceMs = judge?.graceMs() ?? 0;
  return database.$queryRaw<ListedRunner[]>`
    SELECT id, name, host, version, capacity, "hasSandbox", "noSandboxReason", "waitReason", "lastSeenAt",
           ("leaseEndsAt" > now() - ${graceMs} * interval '1 ms'
            OR id = ${judge?.runnerId ?? null}::uuid) IS TRUE AS alive,
           (SELECT count(*) FROM "WorkerSession" AS session
            WHERE session."runnerId" = runner.id
              AND session.status IN ('PREPARING', 'RUNNING'))::int AS running
    FROM "Runner" AS runner ORDER BY name`;
}
