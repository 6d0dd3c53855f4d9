import { FactoryError } from "../errors.ts";

/** One for each connection, over which a client may ask for much. */
const clientSignals = new WeakMap<AbortSignal, AbortSignal>();

/**
 * Aborted when the connection's signal is, but with a reason that counts as an expected failure: a client that
 * leaves is nobody's mistake, and nothing for the log. Servers' own reasons may be of any type.
 */
export function clientSignal(connection: AbortSignal): AbortSignal {
  const known = clientSignals.get(connection);
  if (known !== undefined) return known;
  const left = new AbortController();
  const leave = () => {
    left.abort(new FactoryError("SERVICE_UNAVAILABLE", "the client left before its answer"));
  };
  if (connection.aborted) leave();
  else connection.addEventListener("abort", leave, { once: true });
  clientSignals.set(connection, left.signal);
  return left.signal;
}
