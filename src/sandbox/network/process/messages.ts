// What the server and its network process tell each other: JSON, a line each, over a socket of the server's user alone.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import path from "node:path";
import { z } from "zod";

/** Of another one is another socket, so that a new server never speaks with an old process in words that differ. */
const version = 2;

/** @param home FACTORY_HOME */
export function networkPaths(home: string) {
  const folder = path.join(home, "network");
  return {
    folder,
    /** Where the process takes orders. */
    orders: path.join(folder, `orders-${String(version)}.sock`),
    /** Where the server answers what workers ask of the proxy itself. */
    serve: path.join(folder, "serve.sock"),
  };
}

/** Which worker asks, in requests that the process hands to the server. */
export const workerHeader = "x-factory-worker";

const patterns = z
  .array(
    z
      .object({
        host: z.string(),
        isWildcard: z.boolean(),
        port: z.union([z.int(), z.literal("any")]).optional(),
      })
      // JSON leaves out what is undefined.
      .transform(({ host, isWildcard, port }) => ({ host, isWildcard, port })),
  )
  .readonly();

const policy = z.object({
  rules: z.object({ mode: z.enum(["LIST", "OPEN", "NONE"]), hosts: patterns }),
  builtIn: patterns,
  named: patterns,
});

/** A worker, by its control folder. */
const id = z.string();

/** Of an order that is answered; each of a connection has another. */
const order = z.int();

export const orderSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("open"),
    order,
    id,
    user: z.object({ uid: z.int(), gid: z.int() }).optional(),
    policy,
    api: z.object({ host: z.string(), port: z.int() }).optional(),
    isServed: z.boolean(),
    /** The server's variables that name a proxy of its own; see upstream.ts. For all workers, from now on. */
    upstream: z.record(z.string(), z.string()),
    /** A file that is there once the worker has ended. Its folder is gone some time after that. */
    endFile: z.string(),
  }),
  z.object({ kind: z.literal("policy"), id, policy }),
  z.object({ kind: z.literal("close"), order, id }),
]);

export type Order = z.infer<typeof orderSchema>;
export type OpenOrder = Extract<Order, { kind: "open" }>;

/** As it is written. */
export type OrderToWrite = z.input<typeof orderSchema>;

export const noticeSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("done"), order }),
  z.object({ kind: z.literal("failed"), order, message: z.string() }),
  /** Told again after each `open`, so that a server that was away hears it. */
  z.object({
    kind: z.literal("refused"),
    id,
    refusal: z.object({
      host: z.string(),
      port: z.int(),
      reason: z.enum(["unlisted", "private"]),
    }),
  }),
]);

export type Notice = z.infer<typeof noticeSchema>;

export function writeLine(message: OrderToWrite | Notice): string {
  return `${JSON.stringify(message)}\n`;
}

/** @returns undefined where nothing listens, or where there is no such file */
export async function tryConnect(file: string): Promise<Socket | undefined> {
  const socket = connect(file);
  try {
    await once(socket, "connect");
    return socket;
  } catch {
    socket.destroy();
    return undefined;
  }
}
