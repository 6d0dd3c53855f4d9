// What the server and its network process tell each other: JSON, a line each, over a socket of the server's user alone.
import path from "node:path";
import { z } from "zod";

/** Of another one is another socket, so that a new server never speaks with an old process in words that differ. */
const version = 1;

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

const pattern = z.object({
  host: z.string(),
  isWildcard: z.boolean(),
  port: z.union([z.int(), z.literal("any")]).optional(),
});

const policy = z.object({
  rules: z.object({ mode: z.enum(["LIST", "OPEN", "NONE"]), hosts: z.array(pattern) }),
  builtIn: z.array(pattern),
  named: z.array(pattern),
});

/** A worker, by its control folder. */
const id = z.string();

export const orderSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("open"),
    id,
    user: z.object({ uid: z.int(), gid: z.int() }).optional(),
    policy,
    api: z.object({ host: z.string(), port: z.int() }).optional(),
    isServed: z.boolean(),
    /** A file that is there once the worker has ended. Its folder is gone some time after that. */
    endFile: z.string(),
  }),
  z.object({ kind: z.literal("policy"), id, policy }),
  z.object({ kind: z.literal("close"), id }),
]);

export type Order = z.infer<typeof orderSchema>;
export type OpenOrder = Extract<Order, { kind: "open" }>;

export const noticeSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("opened"), id }),
  z.object({ kind: z.literal("failed"), id, message: z.string() }),
  z.object({ kind: z.literal("closed"), id }),
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

export function writeLine(message: Order | Notice): string {
  return `${JSON.stringify(message)}\n`;
}
