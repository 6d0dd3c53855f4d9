// A worker's way to the network: the two sockets in its control folder, which its sandbox offers as ports of its own.
import { once } from "node:events";
import { chmod, chown, rm } from "node:fs/promises";
import type { Server, Socket } from "node:net";
import { createServer } from "node:net";
import path from "node:path";
import { FactoryError } from "../../errors.ts";
import { hostFailure } from "../../process/host-failure.ts";
import type { SandboxUser } from "../compose.ts";
import { controlNames } from "../compose.ts";
import { connectToAny, joinSockets } from "./connect.ts";
import type { ProxyOptions, WorkerProxy } from "./proxy.ts";
import { createWorkerProxy, proxyLimits } from "./proxy.ts";

export interface WorkerNetworkOptions extends ProxyOptions {
  /** The worker's control folder. */
  readonly folder: string;
  /** Who may connect; undefined: the server's own user. */
  readonly user: SandboxUser | undefined;
  /** Where Factory's own API listens; undefined: nothing is handed on to it. */
  readonly api: ApiPlace | undefined;
}

export interface ApiPlace {
  readonly host: string;
  readonly port: number;
}

export interface WorkerNetwork {
  readonly setPolicy: WorkerProxy["setPolicy"];
  /** Ends every connection and removes the sockets. */
  close(): Promise<void>;
  /** The worker goes on, and this server doesn't: what is open stays so, where something else than it holds it. */
  leave(): Promise<void>;
}

/** One that this process carries the bytes of. */
export interface OwnNetwork extends WorkerNetwork {
  readonly refusals: WorkerProxy["refusals"];
  /** For connections from now on: a server that was started anew may listen elsewhere. */
  setApi(api: ApiPlace): void;
}

/** sun_path has 108 bytes, the last one a NUL: unix(7). */
const longestSocketPath = 107;

/**
 * Listens in the folder. After a restart of the server it is called again for each worker that runs on: connections
 * that were open then are lost, new ones find the new sockets.
 * @throws FactoryError HOST_FAILURE
 */
export async function openWorkerNetwork(options: WorkerNetworkOptions): Promise<OwnNetwork> {
  const { folder, user, api } = options;
  const proxy = createWorkerProxy(options);
  const forwarder = api === undefined ? undefined : createForwarder(api);
  const sockets = [
    { server: proxy.server, file: path.join(folder, controlNames.proxySocket) },
    ...(forwarder === undefined
      ? []
      : [{ server: forwarder.server, file: path.join(folder, controlNames.apiSocket) }]),
  ];
  const close = async () => {
    proxy.close();
    forwarder?.close();
    for (const { file } of sockets) await rm(file, { force: true });
  };
  try {
    for (const { server, file } of sockets) await listen(server, file, user);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    refusals: proxy.refusals,
    setApi: (place) => forwarder?.setTarget(place),
    setPolicy: (policy) => proxy.setPolicy(policy),
    close,
    leave: close,
  };
}

/** @throws FactoryError HOST_FAILURE */
export function assertSocketPath(file: string): void {
  if (Buffer.byteLength(file) <= longestSocketPath) return;
  throw new FactoryError(
    "HOST_FAILURE",
    `${file} is longer than the ${String(longestSocketPath)} bytes of a socket's path: set FACTORY_HOME to a shorter one`,
  );
}

async function listen(server: Server, file: string, user: SandboxUser | undefined): Promise<void> {
  assertSocketPath(file);
  try {
    // Left by a server that was killed. The worker can't write here.
    await rm(file, { force: true });
    server.listen(file);
    await once(server, "listening");
    await chmod(file, 0o600);
    if (user !== undefined) await chown(file, user.uid, user.gid);
  } catch (error) {
    throw hostFailure(error, `listen at ${file}`);
  }
}

/** Hands every connection on to one place. */
function createForwarder(first: ApiPlace): {
  readonly server: Server;
  setTarget(place: ApiPlace): void;
  close(): void;
} {
  let target = first;
  const ends = new AbortController();
  const clients = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    client.on("error", () => client.destroy());
    clients.add(client);
    client.once("close", () => clients.delete(client));
    const signal = AbortSignal.any([
      ends.signal,
      AbortSignal.timeout(proxyLimits.connectTimeoutMs),
    ]);
    connectToAny([target.host], target.port, signal).then(
      (remote) => joinSockets(client, remote, proxyLimits.idleTimeoutMs),
      () => client.destroy(),
    );
  });
  server.maxConnections = proxyLimits.maxConnections;
  return {
    server,
    setTarget(place) {
      target = place;
    },
    close() {
      ends.abort();
      server.close();
      for (const client of clients) client.destroy();
    },
  };
}
