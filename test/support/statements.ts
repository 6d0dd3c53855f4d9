// A database whose statements are counted: a proxy in front of Postgres that reads what goes by.
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { connectTo } from "./postgres-proxy.ts";
import { createDatabase } from "./postgres.ts";

export interface CountedDatabase {
  /** Through the proxy. */
  readonly url: string;
  /** Past it. */
  readonly directUrl: string;
  /** The text of every statement that was executed so far. */
  readonly statements: readonly string[];
  drop(): Promise<void>;
}

/** A migrated database of the caller's own. */
export async function createCountedDatabase(): Promise<CountedDatabase> {
  const database = await createDatabase();
  const direct = new URL(database.url);
  const statements: string[] = [];
  const sockets = new Set<Socket>();

  const server = createServer((client) => {
    const upstream = connectTo(direct);
    const read = createReader(statements);
    client.on("data", read);
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      // Either end's loss is the other's: that is all that a proxy has to say.
      socket.on("error", () => undefined);
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");

  const url = new URL(database.url);
  url.hostname = "127.0.0.1";
  url.port = String(address.port);
  url.search = "";
  return {
    url: url.href,
    directUrl: database.url,
    statements,
    async drop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
      await database.drop();
    },
  };
}

/**
 * Reads the messages of one client: the first has no type; of the others a Query holds a text, a Parse names
 * one, and a Bind executes one that was named.
 * https://www.postgresql.org/docs/18/protocol-message-formats.html
 */
function createReader(statements: string[]): (chunk: Buffer) => void {
  const texts = new Map<string, string>();
  let pending = Buffer.alloc(0);
  let isFirst = true;

  function note(type: string, body: Buffer): void {
    const [first = "", second = ""] = body.toString("utf8").split("\0", 2);
    if (type === "Q") statements.push(first);
    else if (type === "P") texts.set(first, second);
    else if (type === "B") statements.push(texts.get(second) ?? second);
  }

  return (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      const typeLength = isFirst ? 0 : 1;
      if (pending.length < typeLength + 4) return;
      const end = typeLength + pending.readInt32BE(typeLength);
      if (pending.length < end) return;
      if (!isFirst) note(String.fromCharCode(pending[0] ?? 0), pending.subarray(5, end));
      isFirst = false;
      pending = pending.subarray(end);
    }
  };
}
