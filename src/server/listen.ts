// The port: taken at start, and given back with its connections.
import type { Server } from "node:http";
import type { Config } from "../config.ts";
import { FactoryError } from "../errors.ts";

/** @throws FactoryError HOST_FAILURE where the port can't be had */
export async function bind(
  server: Server,
  { host, port }: Pick<Config, "host" | "port">,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, host, resolve);
  try {
    await promise;
  } catch (error) {
    const taken = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
    throw new FactoryError(
      "HOST_FAILURE",
      taken
        ? `port ${String(port)} on ${host} is taken by another program: set PORT to another one, or to 0 for a free one`
        : `can't listen on ${host}, port ${String(port)}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  } finally {
    server.off("error", reject);
  }
}

/** http://host:port */
export function addressOf(server: Server, host: string): string {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not listening on a port");
  const name = host.includes(":") ? `[${host}]` : host;
  return `http://${name}:${String(address.port)}`;
}

/** Requests under way are answered; what is still open after that is cut. */
const closeGraceMs = 2_000;

export async function closeServer(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeIdleConnections();
  const timer = setTimeout(() => {
    server.closeAllConnections();
  }, closeGraceMs);
  await closed;
  clearTimeout(timer);
}
