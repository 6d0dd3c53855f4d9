import { createClient, type Client, type ClientOptions } from "graphql-ws";
import WebSocket from "ws";

/** A client of the server's subscriptions, which doesn't come back by itself. */
export function openWebSocket(
  { url, token }: { readonly url: string; readonly token: string },
  options: Pick<ClientOptions, "lazy"> = {},
): Client {
  return createClient({
    url: `${url.replace("http", "ws")}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: 0,
    ...options,
  });
}
