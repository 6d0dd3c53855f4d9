import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, request, type IncomingMessage } from "node:http";
import { connect, type AddressInfo, type Server, type Socket } from "node:net";
import os from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { parseNetworkRules } from "../../../../src/network-rules.ts";
import { openWorkerNetwork } from "../../../../src/sandbox/network/open.ts";
import { createResolver } from "../../../../src/sandbox/network/resolver.ts";
import { createFindUpstream } from "../../../../src/sandbox/network/upstream.ts";

describe("which proxy leads to a host", () => {
  const environment = {
    https_proxy: "http://secure.example:3128",
    HTTPS_PROXY: "http://other.example:1",
    HTTP_PROXY: "plain.example",
  };

  test.each([
    ["a tunnel", environment, "tunnel", "secure.example:3128"],
    ["a request", environment, "request", "plain.example:80"],
    [
      "one that is spoken to by TLS",
      { HTTPS_PROXY: "https://p.example" },
      "tunnel",
      "p.example:443",
    ],
    ["one for all", { ALL_PROXY: "http://all.example:8" }, "request", "all.example:8"],
    ["none", { https_proxy: "" }, "tunnel", undefined],
    ["none by SOCKS", { ALL_PROXY: "socks5://s.example:1080" }, "tunnel", undefined],
    ["none that is no address", { HTTPS_PROXY: "http://" }, "tunnel", undefined],
  ] as const)("%s", (_what, variables, kind, expected) => {
    const found = createFindUpstream(variables)({ host: "host.example", port: 443, kind });
    expect(found && `${found.host}:${String(found.port)}`).toBe(expected);
  });

  test.each([
    ["*", "any.example", true],
    ["corp.example", "corp.example", true],
    ["corp.example", "git.corp.example", true],
    [".corp.example", "git.corp.example", true],
    ["*.corp.example", "git.corp.example", true],
    ["corp.example", "notcorp.example", false],
    ["other.example, corp.example:443", "corp.example", true],
    ["corp.example:8443", "corp.example", false],
    ["10.0.0.0/8", "10.1.2.3", true],
    ["10.0.0.0/8", "11.1.2.3", false],
    ["127.0.0.1", "127.0.0.1", true],
    ["::1", "::1", true],
    ["[fd00::/8]", "10.1.2.3", false],
    ["10.0.0.0/99", "10.1.2.3", false],
    ["corp.example", "10.1.2.3", false],
  ])("no_proxy %s and %s: excepted %s", (exceptions, host, isExcepted) => {
    const find = createFindUpstream({ https_proxy: "http://p.example", no_proxy: exceptions });
    expect(find({ host, port: 443, kind: "tunnel" }) === undefined).toBe(isExcepted);
  });

  test("a user and a password are given, decoded", () => {
    const find = createFindUpstream({ https_proxy: "http://ada:p%40ss%zz@p.example:1" });
    const { authorization = "" } = find({ host: "h.example", port: 443, kind: "tunnel" }) ?? {};
    expect(Buffer.from(authorization.slice(6), "base64").toString()).toBe("ada:p%40ss%zz");
    const encoded = createFindUpstream({ https_proxy: "http://ada:p%40ss@p.example:1" });
    const other = encoded({ host: "h.example", port: 443, kind: "tunnel" })?.authorization ?? "";
    expect(Buffer.from(other.slice(6), "base64").toString()).toBe("ada:p@ss");
  });
});

describe("a worker's proxy behind another one", () => {
  let folder = "";
  let closers: (() => unknown)[] = [];
  /** What the other proxy was asked for, with its credentials. */
  let asked: string[];
  let upstreamPort = 0;
  let host = "";

  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "factory-upstream-"));
    closers = [];
    asked = [];
    host = `127.0.0.1:${String(await listen(createServer((message, response) => response.end(`here ${message.url ?? ""}`))))}`;
    // It knows a name that this machine doesn't.
    const place = (name: string) => name.replace(/^known\.invalid:\d+$/, host);
    const upstream = createServer((message, response) => {
      asked.push(`${message.method} ${message.url} ${message.headers["proxy-authorization"]}`);
      const url = new URL(message.url ?? "");
      const [name, port] = place(`${url.hostname}:${url.port || "80"}`).split(":");
      request({ host: name, port, path: url.pathname }, (answer) => answer.pipe(response)).end();
    });
    upstream.on("connect", (message: IncomingMessage, socket: Socket) => {
      asked.push(`CONNECT ${message.url} ${message.headers["proxy-authorization"]}`);
      if (message.url === "denied.invalid:443") {
        socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
        return;
      }
      const [name = "", port] = place(message.url ?? "").split(":");
      const remote = connect(Number(port), name, () => {
        socket.write("HTTP/1.1 200 Fine\r\n\r\n");
        remote.pipe(socket).pipe(remote);
      });
    });
    upstreamPort = await listen(upstream);
  });

  afterEach(async () => {
    for (const close of closers.toReversed()) await close();
    await rm(folder, { recursive: true });
  });

  async function listen(server: Server): Promise<number> {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    closers.push(() => server.close());
    return (server.address() as AddressInfo).port;
  }

  async function open(rules: string, variables: Record<string, string> = {}): Promise<void> {
    const parsed = parseNetworkRules(rules);
    if (typeof parsed === "string") throw new Error(parsed);
    const proxy = `http://ada:secret@127.0.0.1:${String(upstreamPort)}`;
    const network = await openWorkerNetwork({
      folder,
      user: undefined,
      policy: { rules: parsed, builtIn: [], named: [] },
      onRefused: () => undefined,
      resolve: createResolver(),
      findUpstream: createFindUpstream({ http_proxy: proxy, https_proxy: proxy, ...variables }),
      api: undefined,
    });
    closers.push(() => network.close());
  }

  const socketPath = () => path.join(folder, "proxy.sock");
  const credentials = `Basic ${Buffer.from("ada:secret").toString("base64")}`;

  async function get(url: string): Promise<string> {
    const sent = request({ socketPath: socketPath(), path: url, agent: false });
    sent.end();
    const [answer] = (await once(sent, "response")) as [IncomingMessage];
    return `${String(answer.statusCode)} ${answer.statusMessage} ${await text(answer)}`;
  }

  async function getByTunnel(authority: string): Promise<string> {
    const sent = request({
      socketPath: socketPath(),
      method: "CONNECT",
      path: authority,
      agent: false,
    });
    sent.end();
    const [answer, socket] = (await once(sent, "connect")) as [IncomingMessage, Socket];
    if (answer.statusCode !== 200) return `${String(answer.statusCode)} ${answer.statusMessage}`;
    socket.write("GET /by-tunnel HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    return text(socket);
  }

  test("tunnels and requests go by it, with its credentials", async () => {
    await open(`${host},known.invalid:*`);
    expect(await getByTunnel(host)).toContain("here /by-tunnel");
    expect(await get(`http://user:password@${host}/plain#part`)).toBe("200 OK here /plain");
    expect(asked).toEqual([
      `CONNECT ${host} ${credentials}`,
      `GET http://${host}/plain ${credentials}`,
    ]);
  });

  test("it finds names that this machine doesn't, and no list is widened by it", async () => {
    await open("known.invalid:*,*.invalid:443");
    expect(await getByTunnel("known.invalid:443")).toContain("here /by-tunnel");
    expect(await get("http://known.invalid/plain")).toBe("200 OK here /plain");
    expect(await getByTunnel("another.example:443")).toMatch(/^403 Blocked by Factory/);
    expect(await getByTunnel(host)).toMatch(/^403 Blocked by Factory/);
    expect(asked).toHaveLength(2);
  });

  test("a host that it is not used for is reached without it", async () => {
    await open(host, { no_proxy: "127.0.0.0/8" });
    expect(await getByTunnel(host)).toContain("here /by-tunnel");
    expect(await get(`http://${host}/plain`)).toBe("200 OK here /plain");
    expect(asked).toEqual([]);
  });

  test("what it refuses is told, and that it was it", async () => {
    await open("denied.invalid");
    expect(await getByTunnel("denied.invalid:443")).toBe(
      "502 Factory could not reach denied.invalid:443 (the server's own proxy answered 407)",
    );
  });

  test("where it isn't there, that is told", async () => {
    await open(host, { https_proxy: "http://127.0.0.1:9" });
    expect(await getByTunnel(host)).toBe(`502 Factory could not reach ${host} (ECONNREFUSED)`);
  });
});
