// A host of issues on loopback, which answers what a test says and remembers what it was asked.
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
}

export interface IssueHostServer {
  readonly url: string;
  readonly asked: readonly Asked[];
  /** What the path (with its query) answers; a list is answered in turn, its last for ever. "hang": nothing. */
  answer(path: string, reply: Reply | readonly Reply[] | "hang"): void;
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
    stop() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function next(replies: Reply[]): Reply {
  return (replies.length > 1 ? replies.shift() : replies[0]) ?? { status: 404 };
}

function send(response: ServerResponse, { status = 200, headers = {}, body = "" }: Reply): void {
  response.writeHead(status, { "content-type": "application/json; charset=utf-8", ...headers });
  response.end(typeof body === "string" ? body : JSON.stringify(body));
}
