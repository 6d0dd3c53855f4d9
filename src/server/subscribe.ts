// Subscriptions whose events are resolved again where that met an outage of the database: what an event
// shows is read alone, and an event that a subscriber got as an error would be lost to it.
import {
  createSourceEventStream,
  executeSubscriptionEvent,
  mapSourceToResponseEvent,
  validateSubscriptionArgs,
  type ExecutionArgs,
  type ExecutionResult,
} from "graphql";
import { isOutage } from "../database/errors.ts";
import { insist } from "../database/insist.ts";
import { patienceMs } from "../events/follow.ts";

type Subscribed = AsyncGenerator<ExecutionResult, void, void> | ExecutionResult;

/** In place of graphql's own. */
export async function subscribe(args: ExecutionArgs, signal: AbortSignal): Promise<Subscribed> {
  const valid = validateSubscriptionArgs(args);
  if (!("schema" in valid)) return { errors: valid };
  const source = await createSourceEventStream(valid);
  if (!(Symbol.asyncIterator in source)) return source;
  return mapSourceToResponseEvent(valid, source, (event) =>
    insist(
      async () => {
        const result = await executeSubscriptionEvent(event);
        const outage = result.errors?.map(({ cause }) => cause).find(isOutage);
        if (outage !== undefined) throw outage;
        return result;
      },
      { signal, patienceMs },
    ),
  );
}
