// node main.ts HOME: carries the bytes of this home's workers between their sandboxes and the network. A process of its
// own, which outlives the server: what a worker has open, such as an answer of its model, goes on while the server is
// killed and started anew. It ends when no worker is left.
import { once } from "node:events";
import { access, mkdir, rm } from "node:fs/promises";
import { request, type ClientRequest } from "node:http";
import { flushCompileCache } from "node:module";
import { createServer, type Socket } from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream";
import { openWorkerNetwork, type OwnNetwork } from "../open.ts";
import type { Serve } from "../proxy.ts";
import type { Refusal } from "../refusals.ts";
import { createResolver } from "../resolver.ts";
import { createFindUpstream, type FindUpstream } from "../upstream.ts";
import {
  networkPaths,
  orderSchema,
  tryConnect,
  workerHeader,
  writeLine,
  type Notice,
  type OpenOrder,
  type Order,
} from "./messages.ts";

const lookEveryMs = 5_000;
/** Without any worker, until it ends. */
const idleMs = 60_000;

interface Worker {
  readonly network: OwnNetwork;
  readonly refusals: Refusal[];
  readonly endFile: string;
}

const [, , home = ""] = process.argv;
const paths = networkPaths(home);
const resolve = createResolver();
let findUpstream: FindUpstream = () => undefined;
const workers = new Map<string, Worker>();
let server: Socket | undefined;
let idleSince = performance.now();

process.title = "factory-network";
await mkdir(paths.folder, { recursive: true, mode: 0o700 });
await listen();
// By default at the end, when this home may be about to be removed.
flushCompileCache();
setInterval(() => void look(), lookEveryMs);

/** @returns when orders are taken. Ends the process where another one takes them. */
async function listen(): Promise<void> {
  const listener = createServer(takeOrders);
  if ((await tryConnect(paths.orders)) !== undefined) process.exit(0);
  await rm(paths.orders, { force: true });
  listener.listen(paths.orders);
  await once(listener, "listening");
  process.stdout.write("ready\n");
}

function takeOrders(socket: Socket): void {
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    if (server !== socket) return;
    server = undefined;
    if (workers.size === 0) process.exit(0);
  });
  // One after the other, as they were given.
  let last = Promise.resolve();
  createInterface(socket).on("line", (line) => {
    // The latest to give an order is the server: an earlier one is dead, or about to be. Who gives none only looked
    // whether this process is there.
    if (server !== socket) server?.destroy();
    server = socket;
    last = last.then(() => obey(orderSchema.parse(JSON.parse(line))));
    last.catch((error: unknown) => socket.destroy(error instanceof Error ? error : undefined));
  });
}

function tell(notice: Notice): void {
  server?.write(writeLine(notice));
}

async function obey(order: Order): Promise<void> {
  const { id } = order;
  switch (order.kind) {
    case "open":
      try {
        await open(order);
        tell({ kind: "done", order: order.order });
        for (const refusal of workers.get(id)?.refusals ?? []) {
          tell({ kind: "refused", id, refusal });
        }
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        tell({ kind: "failed", order: order.order, message });
      }
      return;
    case "policy":
      workers.get(id)?.network.setPolicy(order.policy);
      return;
    case "close":
      await close(id);
      tell({ kind: "done", order: order.order });
  }
}

async function open(order: OpenOrder): Promise<void> {
  const { id, user, policy, api, isServed, endFile } = order;
  findUpstream = createFindUpstream(order.upstream);
  const known = workers.get(id);
  if (known !== undefined) {
    known.network.setPolicy(policy);
    if (api !== undefined) known.network.setApi(api);
    return;
  }
  const refusals: Refusal[] = [];
  const network = await openWorkerNetwork({
    folder: id,
    user,
    policy,
    api,
    resolve,
    findUpstream: (target) => findUpstream(target),
    onRefused(refusal) {
      // Each once, and no more than the proxy tells of.
      refusals.push(refusal);
      tell({ kind: "refused", id, refusal });
    },
    serve: isServed ? handOn(id) : undefined,
  });
  workers.set(id, { network, refusals, endFile });
}

async function close(id: string): Promise<void> {
  const worker = workers.get(id);
  workers.delete(id);
  idleSince = performance.now();
  await worker?.network.close();
}

/** Workers whose end no server was there to tell of; and this process's own. */
async function look(): Promise<void> {
  if (server === undefined) {
    for (const [id, { endFile }] of workers) {
      const isRunning = (await isThere(path.dirname(endFile))) && !(await isThere(endFile));
      if (!isRunning) await close(id);
    }
  }
  const hasServer = server !== undefined;
  if (workers.size > 0) return;
  if (!hasServer || performance.now() - idleSince >= idleMs) process.exit(0);
}

async function isThere(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch {
    return false;
  }
}

/** What a worker asks of the proxy itself is the server's to answer, as it has the credentials. */
function handOn(id: string): Serve {
  return (message, response) => {
    const { [workerHeader]: _, ...headers } = message.headers;
    let outgoing: ClientRequest;
    try {
      outgoing = request({
        socketPath: paths.serve,
        method: message.method,
        path: message.url,
        headers: { ...headers, [workerHeader]: id },
      });
    } catch {
      // Node.js reads requests that it doesn't write: one of those must not end all workers' connections.
      message.resume();
      response.writeHead(400).end();
      return;
    }
    outgoing.on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, answer.headers);
      pipeline(answer, response, () => undefined);
    });
    outgoing.on("error", () => {
      message.resume();
      if (response.headersSent) {
        response.destroy();
        return;
      }
      response.writeHead(503, { "Content-Type": "text/plain; charset=utf-8" });
      response.end("Factory is being started anew: try again in a few seconds\n");
    });
    response.on("close", () => outgoing.destroy());
    message.pipe(outgoing);
  };
}
