// The one WebSocket of the page: it is opened again for as long as the page is, and says how it stands.
import { createClient, type Client } from "graphql-ws";
import { delay } from "./delay.ts";
import { createStore, type Store } from "./store.ts";

/** A server that is there answers a ping within this time, else the connection is taken for dead. */
const pongTimeoutMs = 5_000;
const pingIntervalMs = 10_000;
const shortestWaitMs = 250;
const longestWaitMs = 5_000;

export type ConnectionState =
  /** The first time. */
  | { readonly kind: "connecting" }
  /** `epoch` counts the connections that there were, from 1. */
  | { readonly kind: "connected"; readonly epoch: number }
  | { readonly kind: "lost"; readonly since: number }
  /** The browser is not signed in any more: to try again is of no use. */
  | { readonly kind: "refused" };

export interface Connection {
  readonly client: Client;
  readonly state: Store<ConnectionState>;
  /** Tries at once, where it waits to try again. */
  retry(): void;
}

function createConnection(): Connection {
  const state = createStore<ConnectionState>({ kind: "connecting" });
  let epoch = 0;
  /** For the next try. */
  let waiting = new AbortController();
  let pongTimer: number | undefined;

  const address = new URL("/graphql", window.location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";

  const client = createClient({
    url: address.href,
    lazy: false,
    retryAttempts: Number.POSITIVE_INFINITY,
    keepAlive: pingIntervalMs,
    // Whatever closed it, the server may be back: only the end of the session ends the trying.
    shouldRetry: () => state.read().kind !== "refused",
    onNonLazyError: () => undefined,
    async retryWait(retries) {
      const waitMs = Math.min(longestWaitMs, shortestWaitMs * 2 ** retries);
      waiting = new AbortController();
      // Spread, so that many pages don't come back to a server at the same moment.
      await delay(waitMs * (0.5 + Math.random() / 2), waiting.signal);
    },
    on: {
      connected() {
        epoch += 1;
        state.write({ kind: "connected", epoch });
      },
      closed(event) {
        window.clearTimeout(pongTimer);
        if (event instanceof CloseEvent && event.code === 4403) state.write({ kind: "refused" });
        else if (state.read().kind !== "lost") state.write({ kind: "lost", since: Date.now() });
      },
      ping(received) {
        if (received) return;
        window.clearTimeout(pongTimer);
        pongTimer = window.setTimeout(() => client.terminate(), pongTimeoutMs);
      },
      pong(received) {
        if (received) window.clearTimeout(pongTimer);
      },
    },
  });

  const retry = (): void => waiting.abort();
  window.addEventListener("online", retry);
  return { client, state, retry };
}

export const connection = createConnection();
