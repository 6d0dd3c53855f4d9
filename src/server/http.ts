// The HTTP edge: who speaks, what is too large, and where it goes.
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { setCookie } from "hono/cookie";
import { secureHeaders } from "hono/secure-headers";
import type { Viewer } from "../access/viewer.ts";
import { isOutage, outageMessage } from "../database/errors.ts";
import { errorCodes, FactoryError, type ErrorCode } from "../errors.ts";
import type { Logger } from "../log.ts";
import { untilAborted } from "../until-aborted.ts";
import { cookieName, isOwnOrigin, readCredentials, type Authenticator } from "./auth.ts";
import type { GraphQLServer } from "./graphql.ts";
import type { McpRoute } from "./mcp.ts";

/** A task of 100,000 bytes fits, escaped as JSON may be. */
const longestBodyBytes = 4 * 1024 * 1024;
/** Of a body that is too large so much is read before it is refused. */
const mostDiscardedBytes = 64 * 1024 * 1024;
/** A database that doesn't answer is away: whoever asks is told so soon. */
const readyTimeoutMs = 3_000;
const cookieMaxAgeSeconds = 30 * 24 * 3600;

interface Variables {
  requestId: string;
  viewer: Viewer;
}

export interface HttpDependencies {
  /** undefined: this server runs workers alone, and says no more than that it is there. */
  readonly graphql: GraphQLServer | undefined;
  /** Beside it. */
  readonly mcp: McpRoute | undefined;
  readonly authenticator: Authenticator;
  /** Rejects where the server can't do its work at the moment. */
  readonly checkReady: () => Promise<void>;
  readonly logger: Logger;
}

export type HttpApp = Hono<{ Variables: Variables }>;

export function createHttpApp(deps: HttpDependencies): HttpApp {
  const { authenticator, logger, graphql, mcp } = deps;
  const app: HttpApp = new Hono();

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
      referrerPolicy: "no-referrer",
      crossOriginOpenerPolicy: true,
      // Who puts TLS before the server decides for its host, and for the hosts below it.
      strictTransportSecurity: false,
    }),
  );
  app.use(
    bodyLimit({
      maxSize: longestBodyBytes,
      async onError(context) {
        const mostMiB = String(longestBodyBytes / 1024 / 1024);
        const error = new FactoryError(
          "BAD_INPUT",
          `the request's body is larger than ${mostMiB} MiB`,
        );
        // A client that still writes would not hear the answer, and its next request not be heard.
        const wasRead = await discardBody(context.req.raw);
        const response = refuse(context.req.path, error, 413);
        if (!wasRead) response.headers.set("Connection", "close");
        return response;
      },
    }),
  );

  app.get("/healthz", (context) => context.text("ok\n"));
  app.get("/readyz", async (context) => {
    try {
      await untilAborted(deps.checkReady(), AbortSignal.timeout(readyTimeoutMs));
      return context.text("ready\n");
    } catch (error) {
      logger.warn({ err: error }, "the server is not ready");
      return context.text("not ready: the database or the queue can't be reached\n", 503);
    }
  });

  // A browser opens the printed address once, and has the token in a cookie from then on.
  app.get("/", async (context, next) => {
    const token = context.req.query("token");
    if (token === undefined) {
      await next();
      return;
    }
    const viewer = await authenticator.identify(token);
    if (viewer?.kind !== "operator") return fail(unauthenticated());
    setCookie(context, cookieName, token, {
      httpOnly: true,
      sameSite: "Strict",
      path: "/",
      maxAge: cookieMaxAgeSeconds,
    });
    return context.redirect("/", 303);
  });

  app.use(async (context, next) => {
    const { authorization, cookie, origin, host } = context.req.header();
    const { token, ambient } = readCredentials({ authorization, cookie });
    const viewer = await authenticator.identify(token);
    if (viewer === undefined) return refuse(context.req.path, unauthenticated());
    if (ambient && !isSafe(context.req.method, context.req.header("content-type"), origin, host)) {
      return refuse(
        context.req.path,
        new FactoryError("FORBIDDEN", "a page of another origin may not use this server's cookie"),
      );
    }
    context.set("viewer", viewer);
    await next();
    return;
  });

  if (graphql !== undefined) {
    app.get("/", (context) => context.redirect("/graphql", 302));
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

  app.notFound((context) => {
    const where =
      graphql === undefined
        ? "this server runs workers alone; ask an api server"
        : "GraphQL is at /graphql, MCP at /mcp";
    return fail(new FactoryError("NOT_FOUND", `there is nothing at ${context.req.path}: ${where}`));
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
    "send the header Authorization: Bearer TOKEN, or open the address that the server printed at its start; the token is in FACTORY_HOME/token",
  );
}

/** Whether a request that a cookie speaks for can only come from a page of this server's own. */
function isSafe(
  method: string,
  contentType: string | undefined,
  origin: string | undefined,
  host: string | undefined,
): boolean {
  if (origin !== undefined && !isOwnOrigin(origin, host)) return false;
  // Other types can be sent across origins by a form, without the browser asking first.
  return method !== "POST" || (contentType ?? "").startsWith("application/json");
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
  if (path !== "/graphql") return fail(error, status);
  const body = { errors: [{ message, extensions: { code } }] };
  return Response.json(body, { status });
}

function fail({ code, message }: FactoryError, status = statusOf(code)): Response {
  return Response.json({ error: { code, message } }, { status });
}

function statusOf(code: ErrorCode): number {
  return errorCodes[code];
}
