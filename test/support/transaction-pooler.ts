// A pooler that hands out a session of Postgres for the time of a transaction, as PgBouncer does in that mode.
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import pg from "pg";

export interface TransactionPooler {
  readonly url: string;
  close(): Promise<void>;
}

/** `next`: which of the idle sessions is handed out, the one that came back last or first. */
export async function startTransactionPooler(
  databaseUrl: string,
  { sessions, next }: { readonly sessions: number; readonly next: "last" | "first" },
): Promise<TransactionPooler> {
  const upstreams = await Promise.all(Array.from({ length: sessions }, () => open(databaseUrl)));
  const idle = [...upstreams];
  const clients = new Set<Socket>();
  const waiting: (() => void)[] = [];

  const server = createServer((client) => {
    clients.add(client);
    let upstream: Socket | undefined;
    let unsent: Buffer[] = [];
    client.on("error", () => undefined);
    client.on("close", () => clients.delete(client));

    const hear = messageReader((type, message) => {
      client.write(message);
      // ReadyForQuery, outside of a transaction.
      if (type !== "Z" || message.at(-1) !== "I".charCodeAt(0) || upstream === undefined) return;
      upstream.off("data", hear);
      idle.push(upstream);
      upstream = undefined;
      waiting.shift()?.();
    });
    const send = () => {
      if (upstream === undefined) {
        upstream = next === "last" ? idle.pop() : idle.shift();
        if (upstream === undefined) {
          waiting.push(send);
          return;
        }
        upstream.on("data", hear);
      }
      upstream.write(Buffer.concat(unsent));
      unsent = [];
    };
    client.once("data", () => {
      client.write(welcome);
      client.on("data", (chunk: Buffer) => {
        // Terminate: the session stays, for another client.
        if (chunk[0] === "X".charCodeAt(0)) return;
        unsent.push(chunk);
        send();
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `postgresql://factory@127.0.0.1:${String(address.port)}/factory`,
    async close() {
      for (const socket of [...clients, ...upstreams]) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function messageOf(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const welcome = Buffer.concat([messageOf("R", Buffer.alloc(4)), messageOf("Z", Buffer.from("I"))]);

/** A connection that has let its user in, as bytes. */
async function open(databaseUrl: string): Promise<Socket> {
  const client = new pg.Client({ connectionString: databaseUrl });
  client.on("error", () => undefined);
  await client.connect();
  // Its types hide it.
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
  stream.removeAllListeners("data");
  return stream;
}

/** Puts together what comes in pieces: a type, a length that counts itself, a body. */
function messageReader(hear: (type: string, message: Buffer) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 5 && rest.length > rest.readInt32BE(1)) {
      const length = rest.readInt32BE(1) + 1;
      hear(String.fromCharCode(rest[0] ?? 0), rest.subarray(0, length));
      rest = rest.subarray(length);
    }
  };
}
