// The port: taken at start, and given back with its connections.
import { createServer, type Server } from "node:http";
import { getRequestListener, RequestError } from "@hono/node-server";
import type { Config } from "../config.ts";
import { FactoryError } from "../errors.ts";
import { failureResponse } from "../failure-response.ts";

export function createHttpServer(fetch: Parameters<typeof getRequestListener>[0]): Server {
  const answer = getRequestListener(fetch, {
    errorHandler(error) {
      // Errors of the app's are answered there: what comes as far as this has nobody left to answer.
      if (!(error instanceof RequestError)) return new Response(null, { status: 500 });
      const message =
        "the request's address is malformed: percent-encode its path as UTF-8, and send the header Host";
      return failureResponse(new FactoryError("BAD_INPUT", message));
    },
  });
  // It answers failures too, and rejects with none.
  return createServer((request, response) => void answer(request, response));
}

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
