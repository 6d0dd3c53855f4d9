// A host of issues on loopback, which answers what a test says and remembers what it was asked.
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Asked {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; a string is sent as it is. */
  readonly body?: unknown;
  /** Whether the answer has no end. */
  readonly isEndless?: boolean;
}

export interface IssueHostServer {
  readonly url: string;
  readonly asked: readonly Asked[];
  /** What the path (with its query) answers; a list is answered in turn, its last for ever. "hang": nothing. */
  answer(path: string, reply: Reply | readonly Reply[] | "hang"): void;
  /** Resolves when whoever asks next has seen enough of the answer, and left or got all of it. */
  untilLeft(): Promise<void>;
  stop(): Promise<void>;
}

export async function startIssueHost(): Promise<IssueHostServer> {
  const asked: Asked[] = [];
  const replies = new Map<string, Reply[] | "hang">();
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    asked.push({ path, headers: request.headers });
    const known = replies.get(path);
    if (known === "hang") return;
    send(response, known === undefined ? { status: 404, body: {} } : next(known));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${String(port)}`,
    asked,
    answer(path, reply) {
      replies.set(path, reply === "hang" ? reply : [reply].flat());
    },
    async untilLeft() {
      const [, response] = (await once(server, "request")) as [unknown, ServerResponse];
      await once(response, "close");
    },
    stop() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function next(replies: Reply[]): Reply {
  return (replies.length > 1 ? replies.shift() : replies[0]) ?? { status: 404 };
}

function send(response: ServerResponse, reply: Reply): void {
  const { status = 200, headers = {}, body = "", isEndless = false } = reply;
  response.writeHead(status, { "content-type": "application/json; charset=utf-8", ...headers });
  const text = typeof body === "string" ? body : JSON.stringify(body);
  if (isEndless) response.write(text);
  else response.end(text);
}
