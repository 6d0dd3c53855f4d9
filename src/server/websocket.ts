// GraphQL over WebSocket, by the protocol graphql-transport-ws.
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { GraphQLError, type ExecutionArgs } from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";
import type { Viewer } from "../access/viewer.ts";
import { createErrorMask } from "../graphql/errors.ts";
import { exceeded } from "../graphql/limits.ts";
import type { Logger } from "../log.ts";
import { isOwnOrigin, readBearer, readCredentials, type Authenticator } from "./auth.ts";
import { envelop, type Enveloped } from "./enveloped.ts";
import type { EdgeContext, GraphQLServer } from "./graphql.ts";

/** A task of 100,000 bytes fits, escaped as JSON may be; more closes the connection with 1009. */
const longestMessageBytes = 4 * 1024 * 1024;
const mostSubscriptions = 1_000;
/** The client's first message must be there within this time, else the connection is closed with 4408. */
const initTimeoutMs = 3_000;
/** A client that doesn't answer a ping until the next one is gone. */
const pingIntervalMs = 12_000;

/** What a connection is known by, from its connection_init on. */
interface Connection extends Record<PropertyKey, unknown> {
  viewer?: Viewer;
  token?: string;
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
    readonly logger: Logger;
  },
): WebSocketEdge {
  const { graphql, authenticator } = deps;
  const mask = createErrorMask(deps.logger);
  const sockets = new WebSocketServer({ noServer: true, maxPayload: longestMessageBytes });

  async function identify(
    request: IncomingMessage,
    params: Readonly<Record<string, unknown>> | null | undefined,
  ): Promise<{ viewer: Viewer; token: string } | undefined> {
    const given = params?.["authorization"] ?? params?.["Authorization"];
    const fromInit = typeof given === "string" ? readBearer(given) : undefined;
    const { authorization, cookie, origin, host } = request.headers;
    const fromHeaders = readCredentials({ authorization, cookie });
    // What a browser sends by itself counts only for this server's own pages.
    const usable = !fromHeaders.ambient || isOwnOrigin(origin, host);
    const token = fromInit ?? (usable ? fromHeaders.token : undefined);
    const viewer = await authenticator.identify(token);
    return viewer === undefined || token === undefined ? undefined : { viewer, token };
  }

  /** graphql-ws closes the connection with 4500, and tells the message as the reason. */
  function rethrowMasked(error: unknown): never {
    throw mask(error);
  }

  const disposable = useServer<Record<string, unknown>, Connection>(
    {
      connectionInitWaitTimeout: initTimeoutMs,
      async onConnect(context) {
        const { request } = context.extra;
        const identity = await identify(request, context.connectionParams).catch(rethrowMasked);
        if (identity === undefined) return false;
        Object.assign(context.extra, identity, {
          operations: new Set(),
          closed: new AbortController(),
        } satisfies Connection);
        return true;
      },
      onClose(context) {
        context.extra.closed?.abort();
      },
      async onSubscribe(context, id, payload) {
        const { token, operations, closed } = context.extra;
        // A worker's token ends with its session, and with it what it may still ask.
        const viewer = await authenticator.identify(token).catch(rethrowMasked);
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
    },
    sockets,
    pingIntervalMs,
  );

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (new URL(request.url ?? "/", "http://localhost").pathname !== "/graphql") {
      socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
      return;
    }
    sockets.handleUpgrade(request, socket, head, (opened) => {
      // Oversized and malformed frames end the connection with their code; that is all there is to it.
      opened.on("error", (error) => {
        deps.logger.debug({ err: error }, "a WebSocket connection broke");
      });
      sockets.emit("connection", opened, request);
    });
  };
  server.on("upgrade", upgrade);

  return {
    async close() {
      server.off("upgrade", upgrade);
      await disposable.dispose();
    },
  };
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
