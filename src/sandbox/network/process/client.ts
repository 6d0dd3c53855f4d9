// The server's side of its network process: finds or starts it, opens workers' networks there, hears of refusals.
import { once } from "node:events";
import { chmod, mkdir, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { Socket } from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { execa } from "execa";
import { createBackoff } from "../../../backoff.ts";
import { FactoryError } from "../../../errors.ts";
import { pickVariables } from "../../../pick-variables.ts";
import { hostFailure } from "../../../process/host-failure.ts";
import type { SandboxUser } from "../../compose.ts";
import { assertSocketPath, type ApiPlace, type WorkerNetwork } from "../open.ts";
import type { NetworkPolicy } from "../policy.ts";
import type { Serve } from "../proxy.ts";
import type { Refusal } from "../refusals.ts";
import { upstreamVariables } from "../upstream.ts";
import {
  networkPaths,
  noticeSchema,
  tryConnect,
  workerHeader,
  writeLine,
  type OrderToWrite,
} from "./messages.ts";

export interface NetworkProcess {
  /**
   * Opens a worker's network, or finds it open from before this server's start.
   * @throws FactoryError HOST_FAILURE
   */
  open(worker: NetworkOfWorker): Promise<WorkerNetwork>;
  /** The process goes on while there are workers. */
  leave(): Promise<void>;
}

export interface NetworkOfWorker {
  /** The worker's control folder. */
  readonly folder: string;
  readonly user: SandboxUser | undefined;
  readonly policy: NetworkPolicy;
  /** Called once for each host and port, and again after a restart of the server. */
  readonly onRefused: (refusal: Refusal) => void;
  readonly api: ApiPlace | undefined;
  readonly serve: Serve | undefined;
  /** A file that is there once the worker has ended. */
  readonly endFile: string;
}

export interface NetworkProcessOptions {
  /** FACTORY_HOME. */
  readonly home: string;
  /** Of this process; of it the other gets what Node.js needs. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where workers' networks could not be opened again after the process had ended by itself. */
  readonly onLost: (error: unknown) => void;
}

interface Open {
  readonly worker: NetworkOfWorker;
  policy: NetworkPolicy;
}

/** What the process answers to an order. */
interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const main = path.join(import.meta.dirname, `main${path.extname(import.meta.filename)}`);
const forNode = ["PATH", "NODE_COMPILE_CACHE", "NODE_EXTRA_CA_CERTS", "LANG", "TZ"];
const startTimeoutMs = 20_000;
const answerTimeoutMs = 20_000;
const tries = 5;

export function createNetworkProcess(options: NetworkProcessOptions): NetworkProcess {
  const { home, environment, onLost } = options;
  const paths = networkPaths(home);
  const opened = new Map<string, Open>();
  /** By the order's number. */
  const waiting = new Map<number, Waiting>();
  let orders = 0;
  let connection: Promise<Socket> | undefined;
  let serving: Promise<Server> | undefined;
  let recovery: Promise<void> | undefined;
  const leaving = new AbortController();

  /** The one that is there, or a new one. */
  async function reach(): Promise<Socket> {
    assertSocketPath(paths.orders);
    await mkdir(paths.folder, { recursive: true, mode: 0o700 });
    await (serving ??= listen().catch((error: unknown) => {
      serving = undefined;
      throw error;
    }));
    const socket = (await tryConnect(paths.orders)) ?? (await startAndConnect());
    socket.on("error", () => socket.destroy());
    socket.once("close", () => {
      connection = undefined;
      const gone = new Error("the network process has ended");
      for (const { reject } of waiting.values()) reject(gone);
      waiting.clear();
      if (opened.size > 0 && !leaving.signal.aborted) {
        recovery ??= recover().finally(() => {
          recovery = undefined;
        });
      }
    });
    createInterface(socket).on("line", hear);
    return socket;
  }

  async function startAndConnect(): Promise<Socket> {
    const child = execa(process.execPath, [main, home], {
      detached: true,
      cleanup: false,
      stdin: "ignore",
      stderr: "ignore",
      buffer: false,
      extendEnv: false,
      env: {
        // To compile it takes a third of its memory.
        NODE_COMPILE_CACHE: path.join(paths.folder, "cache"),
        ...pickVariables(environment, forNode),
      },
      reject: false,
    });
    try {
      const started = once(child.stdout, "data", { signal: AbortSignal.timeout(startTimeoutMs) });
      await Promise.race([
        started,
        child.then(({ exitCode }) => {
          // 0: another one was faster.
          if (exitCode !== 0) throw new Error(`it ended with ${String(exitCode)}`);
        }),
      ]);
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    } finally {
      child.stdout.destroy();
      child.nodeChildProcess.unref();
    }
    const socket = await tryConnect(paths.orders);
    if (socket === undefined) throw new Error("it takes no orders");
    return socket;
  }

  function hear(line: string): void {
    const notice = noticeSchema.parse(JSON.parse(line));
    switch (notice.kind) {
      case "refused":
        opened.get(notice.id)?.worker.onRefused(notice.refusal);
        return;
      case "failed":
        waiting.get(notice.order)?.reject(new Error(notice.message));
        return;
      case "done":
        waiting.get(notice.order)?.resolve();
    }
  }

  /** Resolves when what the order says is done. */
  async function carryOut(toOrder: (number: number) => OrderToWrite): Promise<void> {
    connection ??= reach().catch((error: unknown) => {
      connection = undefined;
      throw error;
    });
    const socket = await connection;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      reject(new Error(`no answer within ${String(answerTimeoutMs / 1000)} s`));
    }, answerTimeoutMs);
    const number = (orders += 1);
    waiting.set(number, { resolve, reject });
    try {
      socket.write(writeLine(toOrder(number)));
      await promise;
    } finally {
      clearTimeout(timer);
      waiting.delete(number);
    }
  }

  function openThere({ worker, policy }: Open): Promise<void> {
    const { folder, user, api, serve, endFile } = worker;
    return carryOut((order) => ({
      kind: "open",
      order,
      id: folder,
      user,
      policy,
      api,
      isServed: serve !== undefined,
      upstream: pickVariables(environment, upstreamVariables),
      endFile,
    }));
  }

  /** It was killed: what was open is lost, and what comes from now on finds a new one. */
  async function recover(): Promise<void> {
    const backoff = createBackoff({ firstMs: 100 });
    for (let attempt = 1; ; attempt += 1) {
      try {
        for (const each of opened.values()) await openThere(each);
        return;
      } catch (error) {
        if (leaving.signal.aborted) return;
        if (attempt === tries) {
          onLost(error);
          return;
        }
        await backoff.wait(leaving.signal).catch(() => undefined);
      }
    }
  }

  /** What workers ask of the proxy itself. */
  async function listen(): Promise<Server> {
    const server = createServer((message, response) => {
      const { [workerHeader]: id } = message.headers;
      const serve = typeof id === "string" ? opened.get(id)?.worker.serve : undefined;
      if (serve !== undefined) serve(message, response);
      else response.writeHead(404).end();
    });
    server.requestTimeout = 0;
    // Left by a server that was killed.
    await rm(paths.serve, { force: true });
    server.listen(paths.serve);
    await once(server, "listening");
    await chmod(paths.serve, 0o600);
    return server;
  }

  return {
    async open(worker) {
      const { folder: id } = worker;
      const mine: Open = { worker, policy: worker.policy };
      opened.set(id, mine);
      try {
        await openThere(mine);
      } catch (error) {
        opened.delete(id);
        if (error instanceof FactoryError) throw error;
        throw hostFailure(error, "open the worker's way to the network");
      }
      return {
        setPolicy(policy) {
          mine.policy = policy;
          void connection?.then(
            (socket) => socket.write(writeLine({ kind: "policy", id, policy })),
            // Then it is opened anew, with this policy.
            () => undefined,
          );
        },
        async close() {
          if (!opened.delete(id)) return;
          await carryOut((order) => ({ kind: "close", order, id })).catch(() => undefined);
        },
        leave() {
          opened.delete(id);
          return Promise.resolve();
        },
      };
    },
    async leave() {
      leaving.abort();
      opened.clear();
      const [socket, server] = await Promise.allSettled([connection, serving]);
      if (socket.status === "fulfilled") socket.value?.destroy();
      if (server.status !== "fulfilled" || server.value === undefined) return;
      server.value.closeAllConnections();
      server.value.close();
    },
  };
}
