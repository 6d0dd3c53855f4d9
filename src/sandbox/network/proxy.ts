// The way of one worker to the network: an HTTP proxy on a Unix socket, which resolves names itself and lets through
// what the worker's policy allows. Everything that a worker may do to it is bounded.
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer, request } from "node:http";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream";
import { normalizeHost } from "../../network-rules.ts";
import { codeOf } from "../../process/host-failure.ts";
import { connectToAny, joinSockets } from "./connect.ts";
import type { NetworkPolicy } from "./policy.ts";
import { decide, decideForUpstream } from "./policy.ts";
import type { Refusal, RefusalLog } from "./refusals.ts";
import { createRefusalLog, explainRefusal } from "./refusals.ts";
import { limitResolver, type Resolve } from "./resolver.ts";
import {
  authorizationOf,
  connectToUpstream,
  tunnelByUpstream,
  UpstreamError,
  type FindUpstream,
  type UpstreamProxy,
  type UpstreamTarget,
} from "./upstream.ts";

export interface ProxyOptions {
  readonly policy: NetworkPolicy;
  /** Called once for each host and port. */
  readonly onRefused: (refusal: Refusal) => void;
  /** The server's, from `createResolver`; this worker gets its part of it. */
  readonly resolve: Resolve;
  /** The server's own way out. Default: hosts are reached without a further proxy. */
  readonly findUpstream?: FindUpstream | undefined;
  /** Answers requests to the proxy itself, whose target is a path. Default: they are refused. */
  readonly serve?: Serve | undefined;
  readonly limits?: Partial<ProxyLimits>;
}

/** Never throws. When the client or the proxy goes, `response` closes. */
export type Serve = (message: IncomingMessage, response: ServerResponse) => void;

export interface ProxyLimits {
  /** Connections of the worker at a time; further ones are closed at once. */
  readonly maxConnections: number;
  readonly maxHeaderBytes: number;
  /** For a request's head to come, in milliseconds. */
  readonly headersTimeoutMs: number;
  /** For a host to be found and to accept, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** For a host to be found that a further proxy finds itself, in milliseconds. */
  readonly upstreamLookUpTimeoutMs: number;
  /** Without a byte in either direction, in milliseconds: a model may think for long. */
  readonly idleTimeoutMs: number;
}

export const proxyLimits: ProxyLimits = {
  maxConnections: 256,
  maxHeaderBytes: 32 * 1024,
  headersTimeoutMs: 20_000,
  connectTimeoutMs: 20_000,
  upstreamLookUpTimeoutMs: 1_000,
  idleTimeoutMs: 30 * 60_000,
};

export interface WorkerProxy {
  /** To listen with; nothing listens yet. */
  readonly server: Server;
  readonly refusals: RefusalLog;
  /** For what comes from now on; tunnels that are open stay. */
  setPolicy(policy: NetworkPolicy): void;
  /** Ends every connection, and what was listened on. */
  close(): void;
}

interface Reached {
  readonly remote: Duplex;
  /** Set where it is that proxy that a request goes to. */
  readonly upstream: UpstreamProxy | undefined;
}

/** What the proxy answers in the host's place: a status, and the words of the status line. */
class ProxyAnswer extends Error {
  readonly status: number;

  constructor(status: number, words: string) {
    super(words);
    this.status = status;
  }
}

export function createWorkerProxy(options: ProxyOptions): WorkerProxy {
  const limits = { ...proxyLimits, ...options.limits };
  const refusals = createRefusalLog(options.onRefused);
  const ends = new AbortController();
  const resolve = limitResolver(options.resolve);
  let { policy } = options;

  /** @throws ProxyAnswer */
  async function reach(target: UpstreamTarget): Promise<Reached> {
    const signal = AbortSignal.any([ends.signal, AbortSignal.timeout(limits.connectTimeoutMs)]);
    const upstream = options.findUpstream?.(target);
    try {
      const decision = await (upstream === undefined
        ? decide(policy, target, (host) => resolve(host, signal))
        : decideForUpstream(policy, target, (host) =>
            resolve(host, AbortSignal.timeout(limits.upstreamLookUpTimeoutMs)),
          ));
      if (!decision.allowed) {
        const { host, port } = target;
        const refusal = { host, port, reason: decision.reason };
        refusals.add(refusal);
        throw new ProxyAnswer(403, explainRefusal(refusal));
      }
      if (upstream === undefined) {
        return { remote: await connectToAny(decision.addresses, target.port, signal), upstream };
      }
      const remote =
        target.kind === "tunnel"
          ? await tunnelByUpstream(upstream, target, signal)
          : await connectToUpstream(upstream, signal);
      return { remote, upstream };
    } catch (error) {
      if (error instanceof ProxyAnswer) throw error;
      const reason = signal.aborted
        ? "no answer in time"
        : error instanceof UpstreamError
          ? error.message
          : (codeOf(error) ?? "it failed");
      throw new ProxyAnswer(
        502,
        `Factory could not reach ${target.host}:${target.port} (${reason})`,
      );
    }
  }

  async function tunnel(message: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    client.on("error", () => client.destroy());
    try {
      const { remote } = await reach(parseAuthority(message.url ?? ""));
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      if (head.length > 0) remote.write(head);
      joinSockets(client, remote, limits.idleTimeoutMs);
    } catch (error) {
      const { status, message: words } = toAnswer(error);
      client.end(`HTTP/1.1 ${status} ${words}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    }
  }

  async function forward(message: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const url = parseTarget(message.url ?? "");
      const { remote, upstream } = await reach({
        host: normalize(url.hostname),
        port: Number(url.port || 80),
        kind: "request",
      });
      const outgoing = request({
        createConnection: () => remote,
        method: message.method,
        // Without a user and a password that the url may hold.
        path: `${upstream === undefined ? "" : url.origin}${url.pathname}${url.search}`,
        // Of the url, whatever the message says: else one host could be asked for and another be meant.
        headers: [
          ...endToEnd(message.rawHeaders, ["host"]),
          "Host",
          url.host,
          "Connection",
          "close",
          ...Object.entries(upstream === undefined ? {} : authorizationOf(upstream)).flat(),
        ],
        maxHeaderSize: limits.maxHeaderBytes,
        timeout: limits.idleTimeoutMs,
      });
      outgoing.on("timeout", () => outgoing.destroy());
      const fail = (error: unknown) => {
        remote.destroy();
        const words = `Factory lost ${url.host} (${codeOf(error) ?? "it failed"})`;
        sayNo(response, new ProxyAnswer(502, words));
      };
      outgoing.on("response", (answer) => {
        try {
          const { statusCode = 502, statusMessage, rawHeaders } = answer;
          response.writeHead(statusCode, statusMessage, endToEnd(rawHeaders, []));
          pipeline(answer, response, () => remote.destroy());
        } catch (error) {
          fail(error);
        }
      });
      outgoing.on("error", fail);
      response.on("close", () => outgoing.destroy());
      message.pipe(outgoing);
    } catch (error) {
      message.resume();
      sayNo(response, toAnswer(error));
    }
  }

  const server = createServer({
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    // A body may take as long as it moves; see `timeout` below.
    requestTimeout: 0,
    keepAliveTimeout: 5000,
    connectionsCheckingInterval: Math.min(5000, limits.headersTimeoutMs),
  });
  server.maxConnections = limits.maxConnections;
  server.timeout = limits.idleTimeoutMs;
  const clients = new Set<Duplex>();
  server.on("connection", (socket) => {
    clients.add(socket);
    socket.once("close", () => clients.delete(socket));
  });
  server.on("connect", (message, socket, head) => void tunnel(message, socket, head));
  const { serve } = options;
  server.on("request", (message, response) => {
    if (serve !== undefined && message.url?.startsWith("/") === true) serve(message, response);
    else void forward(message, response);
  });
  return {
    server,
    refusals,
    setPolicy(next) {
      policy = next;
    },
    close() {
      ends.abort();
      server.close();
      for (const client of clients) client.destroy();
    },
  };
}

function sayNo(response: ServerResponse, { status, message }: ProxyAnswer): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, message, {
    "Content-Type": "text/plain; charset=utf-8",
    Connection: "close",
  });
  response.end(`${message}\n`);
}

/** What a worker sends decides what fails here, so nothing of it may reach the server as a whole. */
function toAnswer(error: unknown): ProxyAnswer {
  return error instanceof ProxyAnswer
    ? error
    : new ProxyAnswer(502, `Factory's proxy failed (${codeOf(error) ?? "unknown"})`);
}

/** host:port of CONNECT. @throws ProxyAnswer */
function parseAuthority(authority: string): UpstreamTarget {
  const [, name = "", portText = ""] = /^(\[[^\]]*\]|[^:]*):(\d{1,5})$/.exec(authority) ?? [];
  const port = Number(portText);
  if (name === "" || port < 1 || port > 65_535) {
    throw new ProxyAnswer(400, "Factory's proxy takes CONNECT host:port");
  }
  return { host: normalize(name), port, kind: "tunnel" };
}

/** @throws ProxyAnswer */
function parseTarget(url: string): URL {
  const parsed = URL.parse(url);
  if (parsed?.protocol !== "http:") {
    throw new ProxyAnswer(
      400,
      "This is Factory's proxy: it takes http URLs, and CONNECT for all else",
    );
  }
  return parsed;
}

function normalize(name: string): string {
  const host = normalizeHost(name);
  if (host === undefined) throw new ProxyAnswer(400, "Factory's proxy was given no host");
  return host;
}

/** Source: RFC 9110, 7.6.1, and what proxies were sent before it. */
const betweenTwo = [
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "upgrade",
];

/** What is meant for the other end, in its order: names and values in turn. */
function endToEnd(rawHeaders: readonly string[], without: readonly string[]): string[] {
  const named = rawHeaders.flatMap((name, index) =>
    index % 2 === 0 && name.toLowerCase() === "connection"
      ? (rawHeaders[index + 1] ?? "")
          .toLowerCase()
          .split(",")
          .map((part) => part.trim())
      : [],
  );
  const left = new Set([...betweenTwo, ...named, ...without]);
  return rawHeaders.filter(
    (_, index) => !left.has((rawHeaders[index - (index % 2)] ?? "").toLowerCase()),
  );
}
