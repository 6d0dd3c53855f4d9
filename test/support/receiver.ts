// A receiver of webhooks on loopback, which answers as a test wants it to.
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import { eventually } from "./workers.ts";

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: {
    readonly parentSession: string;
    readonly sequence: number;
    readonly previousStatus: string | null;
    readonly status: string;
    readonly reason: string | null;
    readonly report: string | null;
    readonly outcome: string | null;
    readonly permission: object | null;
    readonly worker: Readonly<Record<string, unknown>>;
  };
}

/** Answers one delivery; never answering is an answer too. */
export type Answer = (response: ServerResponse, received: Received) => void;

export interface Receiver {
  readonly url: string;
  readonly received: readonly Received[];
  /** From the next delivery on. Default: 204. */
  answer(how: Answer): void;
  until(condition: (received: readonly Received[]) => boolean): Promise<void>;
  /** Cuts what is open, and takes nothing more; `open` takes the same port again. */
  close(): Promise<void>;
  open(): Promise<void>;
}

export const status =
  (code: number, headers: Record<string, string> = {}, text?: string): Answer =>
  (response) => {
    response.writeHead(code, headers).end(text);
  };

export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  let answer = status(204);
  let port = 0;

  function create() {
    return createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        const one = { headers: request.headers, text, body: JSON.parse(text) as Received["body"] };
        received.push(one);
        answer(response, one);
      });
    });
  }
  let server = create();
  async function open(): Promise<void> {
    server = create();
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    ({ port } = address);
  }
  await open();
  return {
    url: `http://127.0.0.1:${String(port)}/hook`,
    received,
    answer(how) {
      answer = how;
    },
    until: (condition) => eventually(() => condition(received)),
    async close() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
    open,
  };
}

/** As the README tells a receiver to compute it. */
export function isSignedWith(secret: string, { headers, text }: Received): boolean {
  const timestamp = String(headers["x-factory-timestamp"]);
  const digest = createHmac("sha256", secret).update(`${timestamp}.${text}`).digest("hex");
  return headers["x-factory-signature"] === `sha256=${digest}`;
}

export const sequences = (received: readonly Received[]) =>
  received.map(({ body }) => body.sequence);
