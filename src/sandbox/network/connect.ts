import { once } from "node:events";
import type { Socket } from "node:net";
import { connect } from "node:net";
import type { Duplex } from "node:stream";

/** A host with more addresses than that has one that works among the first. */
const maxAddresses = 4;

/**
 * Connects to the first of the addresses that takes it.
 * @throws the last one's error; the signal's reason
 */
export async function connectToAny(
  addresses: readonly string[],
  port: number,
  signal: AbortSignal,
): Promise<Socket> {
  let failure: unknown = new Error("no address");
  for (const address of addresses.slice(0, maxAddresses)) {
    signal.throwIfAborted();
    const socket = connect({ host: address, port, allowHalfOpen: true, noDelay: true });
    try {
      await once(socket, "connect", { signal });
      return socket;
    } catch (error) {
      socket.destroy();
      failure = error;
    }
  }
  throw failure;
}

/** Carries bytes both ways until both sides have ended, one fails, or none has said anything for `idleMs`. */
export function joinSockets(one: Duplex, other: Duplex, idleMs: number): void {
  const end = () => {
    clearTimeout(timer);
    one.destroy();
    other.destroy();
  };
  const timer = setTimeout(end, idleMs).unref();
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on("data", () => timer.refresh());
    from.on("error", end);
    // After an end in good order there may be bytes left to write to the other side.
    from.on("close", () => {
      if (!from.readableEnded || to.closed) end();
    });
    from.pipe(to);
  }
  if (one.destroyed || other.destroyed) end();
}
