// A proxy in front of Postgres, whose connections can be broken in the ways in which networks break them.
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";

export interface ProxiedConnection {
  /** The client's application_name. */
  readonly application: string;
  /** From here on nothing goes through, either way, and nobody is told: the connection is half open. */
  swallow(): void;
  /** Both ends are cut. */
  cut(): void;
}

export interface PostgresProxy {
  /** The given url, through the proxy. */
  readonly url: string;
  /** Those that are open. */
  connections(): readonly ProxiedConnection[];
  /**
   * The next such statement reaches Postgres and is carried out, but its connection is cut before the answer
   * comes back. Resolves when that has happened.
   */
  loseAnswerTo(what: LostAnswer): Promise<void>;
  /** Cuts all connections and takes no new ones, until `resume`. */
  cutOff(): void;
  resume(): void;
  close(): Promise<void>;
}

export interface LostAnswer {
  readonly statement: string;
  /** What the transaction that the statement stands in has sent before. Default: whatever. */
  readonly after?: RegExp;
}

interface Loss extends LostAnswer {
  readonly lost: () => void;
}

export async function startPostgresProxy(databaseUrl: string): Promise<PostgresProxy> {
  const direct = new URL(databaseUrl);
  const open = new Set<ProxiedConnection>();
  const losses = new Set<Loss>();
  const sockets = new Set<Socket>();
  let isOff = false;

  const server = createServer((client) => {
    if (isOff) {
      client.destroy();
      return;
    }
    const upstream = connectTo(direct);
    let application = "";
    let swallowed = false;
    let losing: Loss | undefined;
    let transaction = "";
    const cut = () => {
      client.destroy();
      upstream.destroy();
    };
    const connection: ProxiedConnection = {
      get application() {
        return application;
      },
      swallow() {
        swallowed = true;
      },
      cut,
    };
    open.add(connection);
    client.on("data", (chunk) => {
      if (swallowed) return;
      if (application === "") application = applicationOf(chunk);
      const text = chunk.toString("latin1");
      transaction = text.includes("BEGIN") ? text : transaction + text;
      losing ??= [...losses].find(
        ({ statement, after = /(?:)/ }) => text.includes(statement) && after.test(transaction),
      );
      if (losing !== undefined) losses.delete(losing);
      upstream.write(chunk);
    });
    upstream.on("data", (chunk) => {
      if (swallowed) return;
      if (losing === undefined) {
        client.write(chunk);
        return;
      }
      // That there is an answer shows that it was carried out.
      cut();
      losing.lost();
    });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      // Either end's loss is the other's: that is all that a proxy has to say.
      socket.on("error", () => undefined);
      socket.on("close", () => {
        sockets.delete(socket);
        open.delete(connection);
        if (!swallowed) cut();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");

  const url = new URL(databaseUrl);
  url.hostname = "127.0.0.1";
  url.port = String(address.port);
  url.search = "";
  return {
    url: url.href,
    connections: () => [...open],
    loseAnswerTo(what) {
      const { promise, resolve } = Promise.withResolvers<void>();
      losses.add({ ...what, lost: resolve });
      return promise;
    },
    cutOff() {
      isOff = true;
      for (const connection of open) connection.cut();
    },
    resume() {
      isOff = false;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** Of the first message, which has no type: name and value end with NUL each. */
function applicationOf(startup: Buffer): string {
  return /\0application_name\0([^\0]*)\0/.exec(startup.toString("latin1"))?.[1] ?? "unknown";
}

/** Where libpq would look: a folder in the parameter `host` holds a socket named by the port. */
export function connectTo(url: URL): Socket {
  const port = url.port === "" ? "5432" : url.port;
  const folder = url.searchParams.get("host");
  if (folder?.startsWith("/") === true) return connect(join(folder, `.s.PGSQL.${port}`));
  return connect(Number(port), url.hostname);
}
