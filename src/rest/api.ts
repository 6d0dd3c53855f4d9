// The routes under /api, and what holds for all of them.
import { Hono, type Context } from "hono";
import type { Ask, Listen } from "../ask.ts";
import { FactoryError } from "../errors.ts";
import { failureResponse } from "../failure-response.ts";
import { describeApi } from "./document.ts";
import { createEventStreams, type EventStreams } from "./event-stream.ts";
import { servePage } from "./page.ts";
import type { AnyReply } from "./reply.ts";
import type { Method, Route } from "./route.ts";
import { routes } from "./routes.ts";

export interface Caller {
  readonly ask: Ask;
  readonly listen: Listen;
  /** Ends the connection, without an answer. */
  readonly cut: () => void;
}

export interface RestApi {
  /** Rejects with what is a bug. */
  fetch(request: Request, caller: Caller): Promise<Response>;
  /** Ends the streams. */
  close(): void;
}

export interface RestApiOptions {
  readonly version: string;
  /** What clients are told of an error that comes when the answer has begun. */
  readonly mask: (error: unknown) => { readonly code: string; readonly message: string };
}

type App = Hono<{ Bindings: Caller }>;

export function createRestApi({ version, mask }: RestApiOptions): RestApi {
  const streams = createEventStreams({ mask });
  const app: App = new Hono();

  app.use(async (context, next) => {
    checkEncoding(context.req.raw);
    await next();
    // Of one moment, and of one caller.
    if (!context.res.headers.has("Cache-Control")) {
      context.res.headers.set("Cache-Control", "no-store");
    }
  });
  const paths = new Map<string, readonly Method[]>();
  for (const [path, methods] of groupByPath(routes)) {
    const local = path.replaceAll(/\{(\w+)\}/g, ":$1");
    for (const route of methods.values()) {
      app.on(route.method, local, (context) => answer(route, context, streams));
    }
    paths.set(local, [...methods.keys()]);
  }
  const document = describeApi(routes, version);
  app.get("/api/openapi.json", (context) => context.json(document));
  for (const path of ["/api/openapi.json", ...servePage(app)]) paths.set(path, ["get"]);
  // Last, since a path may fit several routes.
  for (const [path, methods] of paths) refuseOthers(app, path, methods);

  app.notFound((context) => {
    const message = `there is nothing at ${context.req.path}: /api shows what there is, /api/openapi.json tells it to programs`;
    return failureResponse(new FactoryError("NOT_FOUND", message));
  });
  app.onError((error) => {
    if (error instanceof FactoryError) return failureResponse(error);
    throw error;
  });
  return {
    fetch: async (request, caller) => app.fetch(request, caller),
    close() {
      streams.close();
    },
  };
}

async function answer(
  route: Route,
  context: Context<{ Bindings: Caller }>,
  streams: EventStreams,
): Promise<Response> {
  const { ask, listen, cut } = context.env;
  const request = context.req.raw;
  const call = { ask, listen, signal: request.signal };
  const reply = await route.answer(request, context.req.param(), call);
  if (reply.events === undefined) return respond(reply);
  const response = streams.open(reply.events, cut);
  if (request.method !== "HEAD") return response;
  // What a GET would answer, without what would never be read.
  await response.body?.cancel();
  return new Response(null, response);
}

function respond({ status, body, location }: AnyReply): Response {
  const headers: HeadersInit = location === undefined ? {} : { Location: location };
  if (body === undefined) return new Response(null, { status, headers });
  return Response.json(body, { status, headers });
}

/** @throws FactoryError BAD_INPUT */
function checkEncoding({ url }: Request): void {
  const [path = ""] = url.split("?", 1);
  try {
    decodeURIComponent(path);
  } catch (error) {
    const message =
      "the path is malformed: percent-encode its segments as UTF-8 (a percent sign as %25, a slash inside a branch as %2F)";
    throw new FactoryError("BAD_INPUT", message, { cause: error });
  }
}

function groupByPath(all: readonly Route[]): Map<string, Map<Method, Route>> {
  const byPath = new Map<string, Map<Method, Route>>();
  for (const route of all) {
    const methods = byPath.get(route.path) ?? new Map<Method, Route>();
    byPath.set(route.path, methods.set(route.method, route));
  }
  return byPath;
}

/** Source of what must be answered: RFC 9110, 9.3.7 and 15.5.6. */
function refuseOthers(app: App, path: string, methods: readonly Method[]): void {
  const names = methods.map((method) => method.toUpperCase());
  const allowed = [...names, ...(methods.includes("get") ? ["HEAD"] : []), "OPTIONS"].join(", ");
  app.all(path, (context) => {
    const { method, path: asked } = context.req;
    if (method === "OPTIONS")
      return new Response(null, { status: 204, headers: { Allow: allowed } });
    const message = `${method} is not possible at ${asked}: it may be ${allowed}`;
    const response = failureResponse(new FactoryError("METHOD_NOT_ALLOWED", message));
    response.headers.set("Allow", allowed);
    return response;
  });
}
