import { once } from "node:events";
import { mkdtemp, rm, stat } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { createServer as createHttpServer, request } from "node:http";
import type { AddressInfo, Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { buffer, text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { parseNetworkRules } from "../../../../src/network-rules.ts";
import { codeOf } from "../../../../src/process/host-failure.ts";
import { openWorkerNetwork, type OwnNetwork } from "../../../../src/sandbox/network/open.ts";
import type { NetworkPolicy } from "../../../../src/sandbox/network/policy.ts";
import type { ProxyLimits } from "../../../../src/sandbox/network/proxy.ts";
import type { Refusal } from "../../../../src/sandbox/network/refusals.ts";
import { createResolver } from "../../../../src/sandbox/network/resolver.ts";

let folder = "";
let closers: (() => unknown)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "factory-proxy-"));
  closers = [];
});

afterEach(async () => {
  for (const close of closers.toReversed()) await close();
  await rm(folder, { recursive: true });
});

function policy(rules: string): NetworkPolicy {
  const parsed = parseNetworkRules(rules);
  if (typeof parsed === "string") throw new Error(parsed);
  return { rules: parsed, builtIn: [], named: [] };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A host that answers with what it was asked. */
function startHost(): Promise<number> {
  return listen(
    createHttpServer((message, response) => {
      void buffer(message).then((body) => {
        response.writeHead(200, "Fine", { "X-Host": "yes", Connection: "x-hop", "X-Hop": "1" });
        response.end(
          JSON.stringify({ url: message.url, headers: message.headers, length: body.length }),
        );
      });
    }),
  );
}

async function open(
  rules: string,
  { limits = {}, api = 9 }: { limits?: Partial<ProxyLimits>; api?: number } = {},
): Promise<OwnNetwork & { refused: Refusal[] }> {
  const refused: Refusal[] = [];
  const network = await openWorkerNetwork({
    folder,
    user: undefined,
    policy: policy(rules),
    onRefused: (refusal) => refused.push(refusal),
    resolve: createResolver(),
    api: { host: "127.0.0.1", port: api },
    limits,
  });
  closers.push(() => network.close());
  return {
    ...network,
    get refusals() {
      return network.refusals;
    },
    refused,
  };
}

const socketPath = () => path.join(folder, "proxy.sock");

async function get(url: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  const asked = request({ socketPath: socketPath(), path: url, headers, agent: false });
  asked.end();
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  return answer;
}

async function tunnel(authority: string): Promise<{ answer: IncomingMessage; socket: Socket }> {
  const asked = request({
    socketPath: socketPath(),
    method: "CONNECT",
    path: authority,
    agent: false,
  });
  // A connection that is refused may fail twice, in writing and in reading; the first is thrown below.
  asked.on("error", () => {});
  asked.end();
  const [answer, socket] = (await once(asked, "connect")) as [IncomingMessage, Socket];
  closers.push(() => socket.destroy());
  return { answer, socket };
}

test("a request is handed on, without what is meant for the proxy, to the host that its url names", async () => {
  const port = await startHost();
  await open(`127.0.0.1:${port}`);
  const answer = await get(`http://127.0.0.1:${port}/a?b=c`, {
    Host: "another.example",
    "Proxy-Authorization": "Basic secret",
    "X-Mine": "1",
    Connection: "close, x-private",
    "X-Private": "2",
  });
  expect(answer.statusCode).toBe(200);
  expect(answer.statusMessage).toBe("Fine");
  expect(answer.headers).toMatchObject({ "x-host": "yes" });
  expect(answer.headers).not.toHaveProperty("x-hop");
  expect(JSON.parse(await text(answer))).toEqual({
    url: "/a?b=c",
    headers: { host: `127.0.0.1:${port}`, "x-mine": "1", connection: "close" },
    length: 0,
  });
});

test("a body goes along, with or without its length", async () => {
  const port = await startHost();
  await open(`127.0.0.1:${port}`);
  for (const headers of [{}, { "Content-Length": "300000" }]) {
    const asked = request({
      socketPath: socketPath(),
      method: "POST",
      path: `http://127.0.0.1:${port}/`,
      headers,
      agent: false,
    });
    asked.end(Buffer.alloc(300_000));
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    expect(JSON.parse(await text(answer))).toMatchObject({ length: 300_000 });
  }
});

test("a tunnel carries bytes both ways, and all of them where one side ends first", async () => {
  const size = 5_000_000;
  const port = await listen(
    createServer({ allowHalfOpen: true }, (socket) => {
      void buffer(socket).then((got) => socket.end(Buffer.alloc(size, got.toString())));
    }),
  );
  await open(`127.0.0.1:${port}`);
  const { answer, socket } = await tunnel(`127.0.0.1:${port}`);
  expect(answer.statusCode).toBe(200);
  socket.end("x");
  const got = await buffer(socket);
  expect(got.length).toBe(size);
  expect(got[0]).toBe("x".charCodeAt(0));
});

test("a host that isn't listed is refused in the status line, and told once for each port", async () => {
  const network = await open("example.com");
  for (let count = 0; count < 3; count += 1) {
    const { answer } = await tunnel("Denied.Example.:443");
    expect(answer.statusCode).toBe(403);
    expect(answer.statusMessage).toBe(
      "Blocked by Factory: denied.example:443 is not allowed for this worker (setting FACTORY_NETWORK)",
    );
  }
  const plain = await get("http://denied.example/");
  expect(plain.statusCode).toBe(403);
  expect(await text(plain)).toMatch(/^Blocked by Factory: denied.example:80 is not allowed/);
  expect(network.refused).toEqual([
    { host: "denied.example", port: 443, reason: "unlisted" },
    { host: "denied.example", port: 80, reason: "unlisted" },
  ]);
  expect(network.refusals.count).toBe(4);
});

test("the server's own loopback is refused, however it is written", async () => {
  const port = await startHost();
  const network = await open("OPEN");
  for (const host of [
    "127.0.0.1",
    "localhost",
    "0x7f.1",
    "2130706433",
    "[::ffff:127.0.0.1]",
    "[::1]",
    "0.0.0.0",
  ]) {
    const { answer } = await tunnel(`${host}:${port}`);
    expect([host, answer.statusCode]).toEqual([host, 403]);
    expect(answer.statusMessage).toMatch(
      /is at a private address \(name the host in FACTORY_NETWORK/,
    );
  }
  expect(network.refused.every(({ reason }) => reason === "private")).toBe(true);
});

test("a host is allowed at once where the policy is changed", async () => {
  const port = await startHost();
  const network = await open("NONE");
  expect((await tunnel(`127.0.0.1:${port}`)).answer.statusCode).toBe(403);
  network.setPolicy(policy(`NONE,127.0.0.1:${port}`));
  expect((await tunnel(`127.0.0.1:${port}`)).answer.statusCode).toBe(200);
});

test("a host that can't be reached or found is told from one that is refused", async () => {
  const gone = createServer();
  const port = await listen(gone);
  gone.close();
  await open(`127.0.0.1:${port},nothing.invalid`);
  expect((await tunnel(`127.0.0.1:${port}`)).answer).toMatchObject({
    statusCode: 502,
    statusMessage: `Factory could not reach 127.0.0.1:${port} (ECONNREFUSED)`,
  });
  const { answer } = await tunnel("nothing.invalid:443");
  expect(answer.statusCode).toBe(502);
  expect(answer.statusMessage).toMatch(/^Factory could not reach nothing.invalid:443 \(/);
});

test.each(["no-port", ":443", "a b:443", "host:0", "host:99999", "http://x/"])(
  "CONNECT %s is answered with what it takes",
  async (authority) => {
    await open("OPEN");
    const socket = connect(socketPath());
    socket.end(`CONNECT ${authority} HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(await text(socket)).toMatch(/^HTTP\/1.1 400 /);
  },
);

test("a request that is none for a proxy is answered with what it takes", async () => {
  await open("OPEN");
  expect((await get("/")).statusMessage).toMatch(/^This is Factory's proxy/);
  expect((await get("ftp://x/")).statusCode).toBe(400);
});

test("a head that is too long is refused, and one that doesn't come is not waited for", async () => {
  await open("OPEN", { limits: { maxHeaderBytes: 2000, headersTimeoutMs: 100 } });
  const long = connect(socketPath());
  long.end(`GET http://x/ HTTP/1.1\r\nX: ${"x".repeat(4000)}\r\n\r\n`);
  expect(await text(long)).toMatch(/^HTTP\/1.1 431 /);
  const slow = connect(socketPath());
  slow.write("GET http://x/ HTTP/1.1\r\n");
  expect(await text(slow)).toMatch(/^HTTP\/1.1 408 /);
});

test("a worker has so many connections at a time, and no more", async () => {
  const port = await listen(createServer());
  await open(`127.0.0.1:${port}`, { limits: { maxConnections: 2 } });
  await tunnel(`127.0.0.1:${port}`);
  const { socket } = await tunnel(`127.0.0.1:${port}`);
  await expect(tunnel(`127.0.0.1:${port}`)).rejects.toThrow();
  socket.destroy();
  await once(socket, "close");
  for (;;) {
    try {
      expect((await tunnel(`127.0.0.1:${port}`)).answer.statusCode).toBe(200);
      return;
    } catch (error) {
      // The proxy may not have seen the end yet; the test's own time limits this.
      if (codeOf(error) === undefined) throw error;
    }
  }
});

test("a tunnel in which nothing is said for too long ends", async () => {
  const port = await listen(createServer());
  await open(`127.0.0.1:${port}`, { limits: { idleTimeoutMs: 50 } });
  const { socket } = await tunnel(`127.0.0.1:${port}`);
  socket.resume();
  await once(socket, "close");
});

test("a worker that goes away ends what it asked for", async () => {
  const host = createServer();
  const port = await listen(host);
  await open(`127.0.0.1:${port}`);
  const connected = once(host, "connection");
  const { socket } = await tunnel(`127.0.0.1:${port}`);
  const [remote] = (await connected) as [Socket];
  remote.resume();
  socket.destroy();
  await once(remote, "close");
});

test("Factory's own API is at a socket of its own", async () => {
  const port = await startHost();
  await open("NONE", { api: port });
  const asked = request({
    socketPath: path.join(folder, "api.sock"),
    path: "/graphql",
    agent: false,
  });
  asked.end();
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  expect(JSON.parse(await text(answer))).toMatchObject({ url: "/graphql" });
});

test("closing ends tunnels and removes the sockets, which are their user's alone", async () => {
  const port = await listen(createServer());
  const network = await open(`127.0.0.1:${port}`);
  expect((await stat(socketPath())).mode & 0o777).toBe(0o600);
  const { socket } = await tunnel(`127.0.0.1:${port}`);
  socket.resume();
  const closed = once(socket, "close");
  await network.close();
  await closed;
  await expect(stat(socketPath())).rejects.toThrow("ENOENT");
});

test("a socket that a killed server left is taken over", async () => {
  const port = await startHost();
  await open("NONE");
  await open(`127.0.0.1:${port}`);
  expect((await tunnel(`127.0.0.1:${port}`)).answer.statusCode).toBe(200);
});

test("a folder that is too deep for a socket is refused with what to do", async () => {
  const deep = path.join(folder, "x".repeat(120));
  await expect(
    openWorkerNetwork({
      folder: deep,
      user: undefined,
      policy: policy("NONE"),
      onRefused: () => undefined,
      resolve: createResolver(),
      api: { host: "127.0.0.1", port: 9 },
    }),
  ).rejects.toThrow(/set FACTORY_HOME to a shorter one$/);
});
