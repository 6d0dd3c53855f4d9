// The HTTP edge: who speaks, what is too large, and where it goes.
import type { BlockList } from "node:net";
import type { HttpBindings } from "@hono/node-server";
import { Hono, type MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { secureHeaders } from "hono/secure-headers";
import type { Viewer } from "../access/viewer.ts";
import { isOutage, outageMessage } from "../database/errors.ts";
import { errorCodes, FactoryError, type ErrorCode } from "../errors.ts";
import { failureResponse } from "../failure-response.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { readTraceparent, withTrace } from "../trace-context.ts";
import { untilAborted } from "../until-aborted.ts";
import { versionHeader } from "../version.ts";
import { cookieNameOf, isFromOwnPage, isOwnOrigin, readCredentials } from "./auth.ts";
import { clientOf, type Client } from "./client-address.ts";
import type { GraphQLServer } from "./graphql.ts";
import type { McpRoute } from "./mcp.ts";
import { assetPaths, createMonitor, pagePaths } from "./monitor.ts";
import { maxOperatorBytes, maxWorkerBytes, sizeInWords } from "./request-bytes.ts";
import type { RestRoute } from "./rest.ts";
import {
  createSignIn,
  createSignOut,
  localPath,
  signOutPath,
  type SignInDependencies,
} from "./sign-in.ts";
import { renderSignIn } from "./sign-in-page.ts";
import { maxThreadPoolWaitMs, type ThreadPoolWatch } from "./thread-pool.ts";

/** Of a body that is too large so much is read before it is refused. */
const mostDiscardedBytes = 64 * 1024 * 1024;
/** A database that doesn't answer is away: whoever asks is told so soon. */
const readyTimeoutMs = 3_000;

interface Variables {
  requestId: string;
  client: Client;
  viewer: Viewer;
}

export interface HttpDependencies extends SignInDependencies {
  /** undefined: this server runs workers alone, and answers no more than how it is. */
  readonly graphql: GraphQLServer | undefined;
  /** Beside it. */
  readonly mcp: McpRoute | undefined;
  readonly metrics: Pick<Metrics, "contentType" | "read">;
  /** Beside it. */
  readonly rest: RestRoute | undefined;
  /** Whose word counts on where a request comes from. */
  readonly proxies: BlockList;
  /** Factory's own. */
  readonly version: string;
  readonly threadPool: Pick<ThreadPoolWatch, "waitedMs">;
  /** What an operator should know of this server while it is ready. */
  readonly warnings?: readonly string[];
  /** Rejects where the server can't do its work at the moment. */
  readonly checkReady: () => Promise<void>;
  readonly logger: Logger;
}

export type HttpApp = Hono<{ Variables: Variables; Bindings: Partial<HttpBindings> }>;

export function createHttpApp(deps: HttpDependencies): HttpApp {
  const { authenticator, sessions, proxies, logger, graphql, mcp, rest } = deps;
  const app: HttpApp = new Hono();
  const monitor = createMonitor();

  app.use(async (context, next) => {
    const requestId = crypto.randomUUID();
    const started = performance.now();
    context.set("requestId", requestId);
    try {
      await next();
    } catch (error) {
      // Errors are answered below; what comes as far as this is the signal of a client that is gone.
      logger.debug({ requestId, path: context.req.path }, "a client left before its answer");
      throw error;
    }
    // Not context.header(), which copies the whole answer through a stream.
    context.res.headers.set("X-Request-Id", requestId);
    // Also for whoever has no valid token: a command of another version must be told so whatever else is wrong.
    context.res.headers.set(versionHeader, deps.version);
    logger.debug(
      {
        requestId,
        method: context.req.method,
        path: context.req.path,
        status: context.res.status,
        ms: Math.round(performance.now() - started),
      },
      "request",
    );
  });
  app.use(
    secureHeaders({
      xFrameOptions: "DENY",
      // With "no-referrer" a browser sends the origin of a form as null.
      referrerPolicy: "same-origin",
      crossOriginOpenerPolicy: true,
      // Who puts TLS before the server decides for its host, and for the hosts below it.
      strictTransportSecurity: false,
    }),
  );
  app.use(limitBody(maxOperatorBytes, ""));

  app.get("/healthz", (context) => {
    const waitedMs = deps.threadPool.waitedMs();
    if (waitedMs < maxThreadPoolWaitMs) return context.text("ok\n");
    const seconds = String(Math.round(waitedMs / 1000));
    const text = `Node.js's thread pool has answered nothing for ${seconds} s: restart the server\n`;
    return context.text(text, 503);
  });
  app.get("/readyz", async (context) => {
    try {
      await untilAborted(deps.checkReady(), AbortSignal.timeout(readyTimeoutMs));
      return context.text(["ready", ...(deps.warnings ?? [])].map((line) => `${line}\n`).join(""));
    } catch (error) {
      logger.warn({ err: error }, "the server is not ready");
      return context.text("not ready: the database or the queue can't be reached\n", 503);
    }
  });

  app.use(async (context, next) => {
    const peer = connectionOf(context).incoming?.socket.remoteAddress;
    context.set("client", clientOf(peer, context.req.header(), proxies));
    await next();
  });
  if (graphql !== undefined) app.route("/", createSignIn(deps));

  app.use(async (context, next) => {
    const { authorization, cookie, host, accept, ...headers } = context.req.header();
    const cookieName = cookieNameOf(host, context.get("client").isSecure);
    const credentials = readCredentials({ authorization, cookie }, cookieName);
    const viewer = await authenticator.identify(credentials);
    if (credentials === undefined || viewer === undefined) {
      if (graphql === undefined || !isForPerson(accept)) {
        return refuse(context.req.path, unauthenticated());
      }
      const { pathname, search } = new URL(context.req.url);
      const isFromElsewhere =
        headers["sec-fetch-site"] === "cross-site" && headers["sec-fetch-mode"] === "navigate";
      return renderSignIn({ status: 401, next: localPath(pathname + search), isFromElsewhere });
    }
    context.set("viewer", viewer);
    if (credentials.kind === "token" || isStatic(context.req.method, context.req.path, accept)) {
      await next();
      return undefined;
    }
    if (!isFromOwnPage({ ...headers, host })) {
      const message =
        "a browser's session counts for pages of this server alone: send the header Authorization: Bearer TOKEN";
      return refuse(context.req.path, new FactoryError("FORBIDDEN", message));
    }
    if (context.req.path === signOutPath) {
      await next();
      return undefined;
    }
    // What it still streams ends with the session.
    const { outgoing } = connectionOf(context);
    const unwatch = sessions.watchEnd(credentials.id, () => outgoing?.destroy());
    outgoing?.once("close", unwatch);
    await next();
    return undefined;
  });

  const limitWorkersBody = limitBody(maxWorkerBytes, ", which a worker's token may send at most");
  app.use((context, next) =>
    context.get("viewer").kind === "worker" ? limitWorkersBody(context, next) : next(),
  );

  // A caller's trace goes on in what its request dispatches.
  app.use(async (context, next) => {
    const trace = readTraceparent(context.req.header("traceparent"));
    await (trace === undefined ? next() : withTrace(trace, next));
  });

  app.get("/metrics", async (context) => {
    if (context.get("viewer").kind !== "operator") {
      return failureResponse(
        new FactoryError("FORBIDDEN", "metrics are for the operator's token alone"),
      );
    }
    const text = await deps.metrics.read();
    return context.body(text, 200, { "Content-Type": deps.metrics.contentType });
  });

  if (graphql !== undefined) {
    app.route("/", createSignOut({ sessions }));
    for (const path of pagePaths) {
      app.get(path, () => monitor.page());
      app.all(path, () => {
        const error = new FactoryError("METHOD_NOT_ALLOWED", "the Agents Monitor is read by GET");
        const response = failureResponse(error);
        response.headers.set("Allow", "GET, HEAD");
        return response;
      });
    }
    app.get(assetPaths, monitor.assets);
    app.all("/graphql", (context) =>
      graphql.fetch(context.req.raw, {
        viewer: context.get("viewer"),
        signal: context.req.raw.signal,
      }),
    );
  }

  if (mcp !== undefined) {
    app.all("/mcp", (context) => {
      const { origin, host } = context.req.header();
      // The protocol asks for it whatever the credentials, against a page that has this host's name point here.
      if (origin !== undefined && !isOwnOrigin(origin, host)) {
        const message = "a page of another origin may not use this server";
        return refuse(context.req.path, new FactoryError("FORBIDDEN", message));
      }
      return mcp(context.req.raw, context.get("viewer"));
    });
  }

  if (rest !== undefined) {
    app.get("/api/", async (context, next) => {
      if (isForPerson(context.req.header("accept"))) return context.redirect("/api", 308);
      await next();
      return undefined;
    });
    app.all("/api/*", (context) =>
      rest.fetch(context.req.raw, context.get("viewer"), () => {
        connectionOf(context).outgoing?.destroy();
      }),
    );
  }

  app.notFound((context) => {
    if (graphql !== undefined && isForPerson(context.req.header("accept"))) {
      return monitor.page(404);
    }
    const where =
      graphql === undefined
        ? "this server runs workers alone; ask an api server"
        : "the Agents Monitor is at /, GraphQL at /graphql, REST at /api, MCP at /mcp";
    return failureResponse(
      new FactoryError("NOT_FOUND", `there is nothing at ${context.req.path}: ${where}`),
    );
  });
  app.onError((error, context) => {
    const { path } = context.req;
    if (error instanceof FactoryError) return refuse(path, error);
    if (isOutage(error)) {
      logger.warn({ err: error }, "a request met an unreachable database");
      return refuse(path, new FactoryError("SERVICE_UNAVAILABLE", outageMessage));
    }
    logger.error({ err: error, requestId: context.get("requestId") }, "an unexpected error");
    return refuse(
      path,
      new FactoryError(
        "INTERNAL",
        `an internal error; the server's log has it under ${context.get("requestId")}`,
      ),
    );
  });
  return app;
}

function unauthenticated(): FactoryError {
  return new FactoryError(
    "UNAUTHENTICATED",
    "send the header Authorization: Bearer TOKEN, or sign in with a browser at /; the token is FACTORY_TOKEN or, where that is unset, in FACTORY_HOME/token",
  );
}

/** Whether a browser asks for something to show, rather than a program. */
function isForPerson(accept: string | undefined): boolean {
  return accept?.includes("text/html") === true;
}

/**
 * Whether what is asked for is the same for everybody, as pages are: a browser may go there by a bookmark
 * or a link. Other pages can't read it (Cross-Origin-Resource-Policy), and what a page shows it asks for itself.
 */
function isStatic(method: string, path: string, accept: string | undefined): boolean {
  if (method !== "GET" && method !== "HEAD") return false;
  if (/^\/(assets\/|api\/page\/|api\/openapi\.json$)/.test(path)) return true;
  return isForPerson(accept) && !/^\/(api\/.|metrics$|mcp$)/.test(path);
}

/** Without one, as in a test, it is empty. */
function connectionOf({ env }: { readonly env: Partial<HttpBindings> | undefined }) {
  return env ?? {};
}

function limitBody(maxSize: number, why: string): MiddlewareHandler {
  return bodyLimit({
    maxSize,
    async onError(context) {
      const message = `the request's body is larger than ${sizeInWords(maxSize)}${why}`;
      // A client that still writes would not hear the answer, and its next request not be heard.
      const wasRead = await discardBody(context.req.raw);
      const response = refuse(context.req.path, new FactoryError("BAD_INPUT", message), 413);
      if (!wasRead) response.headers.set("Connection", "close");
      return response;
    },
  });
}

/** Reads the body to its end; false: it has none that is near, or somebody else reads it. */
async function discardBody({ body }: Request): Promise<boolean> {
  if (body === null || body.locked) return false;
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > mostDiscardedBytes) return false;
  }
  return true;
}

/** In the form of the protocol that is spoken at the path. */
function refuse(path: string, error: FactoryError, status = statusOf(error.code)): Response {
  const { code, message } = error;
  if (path === "/mcp") {
    const body = { code: -32_000, message: `${code}: ${message}`, data: { code } };
    // What a 401 must say. Source: RFC 9110, 15.5.2.
    const headers: HeadersInit = status === 401 ? { "WWW-Authenticate": "Bearer" } : {};
    return Response.json({ jsonrpc: "2.0", id: null, error: body }, { status, headers });
  }
  // There a code has one status.
  if (path.startsWith("/api/")) return failureResponse(error);
  if (path !== "/graphql") return failureResponse(error, status);
  const body = { errors: [{ message, extensions: { code } }] };
  return Response.json(body, { status });
}

function statusOf(code: ErrorCode): number {
  return errorCodes[code];
}
