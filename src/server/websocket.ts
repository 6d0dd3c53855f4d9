// GraphQL over WebSocket, by the protocol graphql-transport-ws.
import type { IncomingMessage, Server } from "node:http";
import type { BlockList } from "node:net";
import type { Duplex } from "node:stream";
import { GraphQLError, type ExecutionArgs } from "graphql";
import { CloseCode, GRAPHQL_TRANSPORT_WS_PROTOCOL, makeServer } from "graphql-ws";
import { WebSocketServer, type WebSocket } from "ws";
import type { Viewer } from "../access/viewer.ts";
import { createErrorMask } from "../graphql/errors.ts";
import { exceeded } from "../graphql/limits.ts";
import type { Logger } from "../log.ts";
import {
  cookieNameOf,
  isFromOwnPage,
  readBearer,
  readCredentials,
  type Authenticator,
  type Credentials,
} from "./auth.ts";
import type { BrowserSessions } from "./browser-sessions.ts";
import { clientOf } from "./client-address.ts";
import { envelop, type Enveloped } from "./enveloped.ts";
import type { EdgeContext, GraphQLServer } from "./graphql.ts";
import { maxOperatorBytes } from "./request-bytes.ts";
import { checkMessage } from "./web-socket-message.ts";

const mostSubscriptions = 1_000;
/** The client's first message must be there within this time, else the connection is closed with 4408. */
const initTimeoutMs = 3_000;
/** A client that doesn't answer a ping until the next one is gone. */
const pingIntervalMs = 12_000;
const protocolReason = `use the subprotocol ${GRAPHQL_TRANSPORT_WS_PROTOCOL} (npm package graphql-ws); no other is served`;

/** What a connection is known by. */
interface Connection extends Record<PropertyKey, unknown> {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
  /** From its connection_init on, as are the next. */
  viewer?: Viewer;
  credentials?: Credentials;
  /** Ids of the operations under way. */
  operations?: Set<string>;
  closed?: AbortController;
}

export interface WebSocketEdge {
  close(): Promise<void>;
}

export function attachWebSocket(
  server: Server,
  deps: {
    readonly graphql: GraphQLServer;
    readonly authenticator: Authenticator;
    readonly sessions: Pick<BrowserSessions, "watchEnd">;
    readonly proxies: BlockList;
    readonly logger: Logger;
  },
): WebSocketEdge {
  const { graphql, authenticator, sessions, proxies, logger } = deps;
  const mask = createErrorMask(logger);
  const sockets = new WebSocketServer({
    noServer: true,
    // More closes the connection with 1009.
    maxPayload: maxOperatorBytes,
    // Another one, such as graphql-ws of subscriptions-transport-ws, is taken too, and closed with the reason: a
    // browser shows no answer to a refused upgrade.
    handleProtocols: (offered) =>
      offered.has(GRAPHQL_TRANSPORT_WS_PROTOCOL)
        ? GRAPHQL_TRANSPORT_WS_PROTOCOL
        : ([...offered][0] ?? false),
  });

  function readConnection(
    { headers, socket }: IncomingMessage,
    params: Readonly<Record<string, unknown>> | null | undefined,
  ): Credentials | undefined {
    const given = params?.["authorization"] ?? params?.["Authorization"];
    const token = typeof given === "string" ? readBearer(given) : undefined;
    if (token !== undefined) return { kind: "token", token };
    const { authorization, cookie, host, origin } = headers;
    const { isSecure } = clientOf(socket.remoteAddress, plainHeaders(headers), proxies);
    const credentials = readCredentials({ authorization, cookie }, cookieNameOf(host, isSecure));
    const site = plainHeaders(headers)["sec-fetch-site"];
    const isOwn = isFromOwnPage({ origin, host, "sec-fetch-site": site });
    return credentials?.kind === "session" && !isOwn ? undefined : credentials;
  }

  /** graphql-ws closes the connection with 4500, and tells the message as the reason. */
  function rethrowMasked(error: unknown): never {
    throw mask(error);
  }

  const protocol = makeServer<Record<string, unknown>, Connection>({
    connectionInitWaitTimeout: initTimeoutMs,
    async onConnect(context) {
      const { request, socket } = context.extra;
      const credentials = readConnection(request, context.connectionParams);
      const viewer = await authenticator.identify(credentials).catch(rethrowMasked);
      if (credentials === undefined || viewer === undefined) return false;
      const closed = new AbortController();
      Object.assign(context.extra, { viewer, credentials, operations: new Set(), closed });
      if (credentials.kind === "session") {
        const unwatch = sessions.watchEnd(credentials.id, () => {
          socket.close(CloseCode.Forbidden, "signed out");
        });
        closed.signal.addEventListener("abort", unwatch);
      }
      return true;
    },
    onClose(context) {
      context.extra.closed?.abort();
    },
    async onSubscribe(context, id, payload) {
      const { credentials, operations, closed } = context.extra;
      // A worker's token ends with its session, and with it what it may still ask.
      const viewer = await authenticator.identify(credentials).catch(rethrowMasked);
      if (viewer === undefined || operations === undefined || closed === undefined) {
        return [
          new GraphQLError("the token is no longer valid", {
            extensions: { code: "UNAUTHENTICATED" },
          }),
        ];
      }
      if (operations.size >= mostSubscriptions) {
        return [
          exceeded(
            `a connection may have ${String(mostSubscriptions)} operations under way: open another one`,
          ),
        ];
      }
      const edge: EdgeContext = { viewer, signal: closed.signal };
      const enveloped = envelop(graphql, edge, payload);
      let document;
      try {
        document = enveloped.parse(payload.query);
        const errors = enveloped.validate(enveloped.schema, document);
        if (errors.length > 0) return errors.map(withoutStatus);
      } catch (error) {
        return [withoutStatus(mask(error))];
      }
      operations.add(id);
      return {
        schema: enveloped.schema,
        operationName: payload.operationName ?? undefined,
        document,
        variableValues: payload.variables ?? undefined,
        contextValue: await enveloped.contextFactory(),
        // graphql-ws hands the arguments on; the enveloped functions travel with them.
        rootValue: { execute: enveloped.execute, subscribe: enveloped.subscribe },
      };
    },
    onComplete(context, id) {
      context.extra.operations?.delete(id);
    },
    execute: (args) => enveloped(args).execute(args),
    subscribe: (args) => enveloped(args).subscribe(args),
  });

  function open(socket: WebSocket, request: IncomingMessage): void {
    // Oversized and malformed frames end the connection with their code; that is all there is to it.
    socket.on("error", (error) => {
      logger.debug({ err: error }, "a WebSocket connection broke");
    });
    if (socket.protocol !== GRAPHQL_TRANSPORT_WS_PROTOCOL) {
      socket.close(CloseCode.SubprotocolNotAcceptable, protocolReason);
      return;
    }
    const connection: Connection = { socket, request };
    keepAlive(socket);
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        async send(text) {
          if (socket.readyState !== socket.OPEN) return;
          const { promise, resolve, reject } = Promise.withResolvers<void>();
          socket.send(text, (error) => (error == null ? resolve() : reject(error)));
          await promise;
        },
        close: (code, reason) => socket.close(code, reason),
        onMessage(take) {
          socket.on("message", (data: Buffer) => {
            const refusal = checkMessage(data, connection.viewer);
            if (refusal?.answer !== undefined) socket.send(refusal.answer);
            else if (refusal !== undefined) socket.close(refusal.code, refusal.reason);
            else
              take(data.toString("utf8")).catch((error: unknown) => {
                logger.error({ err: error }, "a message over WebSocket failed");
                socket.close(CloseCode.InternalServerError, "Internal server error");
              });
          });
        },
      },
      connection,
    );
    socket.once("close", (code, reason) => void closed(code, reason.toString("utf8")));
  }

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (new URL(request.url ?? "/", "http://localhost").pathname !== "/graphql") {
      socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
      return;
    }
    sockets.handleUpgrade(request, socket, head, (opened) => open(opened, request));
  };
  server.on("upgrade", upgrade);

  return {
    async close() {
      server.off("upgrade", upgrade);
      for (const socket of sockets.clients) socket.close(1001, "Going away");
      const { promise, resolve } = Promise.withResolvers<void>();
      sockets.close(() => resolve());
      await promise;
    },
  };
}

function keepAlive(socket: WebSocket): void {
  let hasAnswered = true;
  const timer = setInterval(() => {
    if (!hasAnswered) {
      socket.terminate();
      return;
    }
    hasAnswered = false;
    socket.ping();
  }, pingIntervalMs);
  socket.on("pong", () => {
    hasAnswered = true;
  });
  socket.once("close", () => clearInterval(timer));
}

/** Of a header that came several times, the first. */
function plainHeaders(headers: IncomingMessage["headers"]): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value]),
  );
}

function enveloped(args: ExecutionArgs): Pick<Enveloped, "execute" | "subscribe"> {
  // Put there by onSubscribe, through which every operation comes.
  return args.rootValue as Pick<Enveloped, "execute" | "subscribe">;
}

/** There is no HTTP status here for Yoga to take from it. */
function withoutStatus({
  message,
  nodes,
  source,
  positions,
  extensions,
}: GraphQLError): GraphQLError {
  return new GraphQLError(message, {
    nodes: nodes ?? null,
    source: source ?? null,
    positions: positions ?? null,
    extensions: { code: extensions["code"] },
  });
}
