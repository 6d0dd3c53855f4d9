// What operators see of a server from outside: metrics, and traces where an endpoint is set.
import type { Config } from "../config.ts";
import type { Pool } from "../database/client.ts";
import { isOutage } from "../database/errors.ts";
import type { EventLog } from "../events/follow.ts";
import type { Logger } from "../log.ts";
import { createMetrics, type Metrics } from "../telemetry/metrics.ts";
import type { Traces } from "../telemetry/traces.ts";
import { untilAborted } from "../until-aborted.ts";
import { countSessions } from "../workers/count.ts";
import { workerTransitions } from "../workers/states.ts";

/** A database that doesn't answer within this time is away: whoever asks gets the rest. */
const countTimeoutMs = 3_000;

export function startMetrics(deps: {
  readonly config: Pick<Config, "role">;
  readonly version: string;
  readonly pool: Pool;
  readonly events: Pick<EventLog, "countFollowers">;
  readonly logger: Logger;
}): Metrics {
  const { config, version, pool, events, logger } = deps;
  return createMetrics({
    version,
    role: config.role,
    statuses: Object.keys(workerTransitions),
    countFollowers: () => events.countFollowers(),
    async count() {
      const timeout = AbortSignal.timeout(countTimeoutMs);
      try {
        return await untilAborted(countSessions(pool), timeout);
      } catch (error) {
        if (!timeout.aborted && !isOutage(error)) throw error;
        logger.warn({ err: error }, "the database could not be asked for its metrics");
        return undefined;
      }
    },
  });
}

/** undefined: no endpoint is set. */
export async function startTraces(
  { traces, role }: Pick<Config, "traces" | "role">,
  { version, instance, logger }: { version: string; instance: string; logger: Logger },
): Promise<Traces | undefined> {
  if (traces === undefined) return undefined;
  const { exportTraces } = await import("../telemetry/traces.ts");
  const { url, headers, serviceName, attributes } = traces;
  const resource = {
    "service.version": version,
    "service.instance.id": instance,
    "factory.role": role,
    ...attributes,
    "service.name": serviceName,
  };
  return exportTraces({ url, headers, resource, logger });
}
