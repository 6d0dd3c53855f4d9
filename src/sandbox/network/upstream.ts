// The proxy by which the server itself reaches the network, where it has one: the connections of its workers go by it,
// too.
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { BlockList, connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { normalizeHost } from "../../network-rules.ts";
import { decodePart } from "../../network-variables.ts";

export interface UpstreamProxy {
  readonly host: string;
  readonly port: number;
  /** Whether the proxy itself is spoken to by TLS. */
  readonly isTls: boolean;
  /** The value of Proxy-Authorization; undefined: it asks for none. */
  readonly authorization: string | undefined;
}

export interface UpstreamTarget {
  /** As from `normalizeHost`. */
  readonly host: string;
  readonly port: number;
  /** A tunnel to be made by CONNECT, as https needs it, or one request of plain HTTP. */
  readonly kind: "tunnel" | "request";
}

/** @returns undefined: the target is reached without a proxy */
export type FindUpstream = (target: UpstreamTarget) => UpstreamProxy | undefined;

/** What `createFindUpstream` reads; in lower case they win, as with curl. */
export const upstreamVariables: readonly string[] = [
  "http_proxy",
  "https_proxy",
  "all_proxy",
  "no_proxy",
].flatMap((name) => [name, name.toUpperCase()]);

/**
 * By the variables that curl and git know, read as curl does. A proxy that isn't reached by http or https (SOCKS)
 * counts as none. Source: curl(1), "Environment".
 */
export function createFindUpstream(
  environment: Readonly<Record<string, string | undefined>>,
): FindUpstream {
  const read = (name: string) => {
    const value = environment[name] ?? environment[name.toUpperCase()];
    return value === "" ? undefined : value;
  };
  const ofAll = read("all_proxy");
  const proxies = {
    tunnel: parseProxy(read("https_proxy") ?? ofAll),
    request: parseProxy(read("http_proxy") ?? ofAll),
  };
  const exceptions = (read("no_proxy") ?? "").split(/[\s,]+/).filter((text) => text !== "");
  return ({ host, port, kind }) =>
    exceptions.some((exception) => isExcepted(exception, host, port)) ? undefined : proxies[kind];
}

function parseProxy(text: string | undefined): UpstreamProxy | undefined {
  if (text === undefined) return undefined;
  const url = URL.parse(text.includes("://") ? text : `http://${text}`);
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined;
  const isTls = url.protocol === "https:";
  const credentials = [url.username, url.password].map(decodePart).join(":");
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(url.port || (isTls ? 443 : 80)),
    isTls,
    authorization:
      credentials === ":" ? undefined : `Basic ${Buffer.from(credentials).toString("base64")}`,
  };
}

/** An exception is `*`, a name that stands for those below it, too, an address or a range of them; each may have a port. */
function isExcepted(exception: string, host: string, port: number): boolean {
  if (exception === "*") return true;
  const [, text = exception, portText] = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(exception) ?? [];
  if (portText !== undefined && Number(portText) !== port) return false;
  if (isIP(host) !== 0) return isInRange(host, text);
  const name = normalizeHost(text.replace(/^\*?\./, ""));
  return name !== undefined && (host === name || host.endsWith(`.${name}`));
}

function isInRange(address: string, text: string): boolean {
  const [, base = "", bits] = /^\[?([^\]/]*)\]?(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  if (isIP(base) === 0) return false;
  const prefix = Math.min(Number(bits ?? Infinity), isIP(base) === 6 ? 128 : 32);
  const range = new BlockList();
  range.addSubnet(base, prefix, familyOf(base));
  return range.check(address, familyOf(address));
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}

/** What the other proxy answered in place of a connection. */
export class UpstreamError extends Error {
  override readonly name = "UpstreamError";
  readonly status: number;

  constructor(status: number) {
    super(`the server's own proxy answered ${String(status)}`);
    this.status = status;
  }
}

/** @throws the system's error; the signal's reason */
export async function connectToUpstream(
  { host, port, isTls }: UpstreamProxy,
  signal: AbortSignal,
): Promise<Socket> {
  const place = { host, port, allowHalfOpen: true };
  const socket = isTls
    ? connectTls({ ...place, ...(isIP(host) === 0 ? { servername: host } : {}) })
    : connect({ ...place, noDelay: true });
  try {
    await once(socket, isTls ? "secureConnect" : "connect", { signal });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/**
 * A tunnel by the other proxy.
 * @throws UpstreamError; the system's error; the signal's reason
 */
export async function tunnelByUpstream(
  upstream: UpstreamProxy,
  target: Pick<UpstreamTarget, "host" | "port">,
  signal: AbortSignal,
): Promise<Socket> {
  const connection = await connectToUpstream(upstream, signal);
  const authority = authorityOf(target);
  const asked = request({
    createConnection: () => connection,
    method: "CONNECT",
    path: authority,
    headers: { host: authority, ...authorizationOf(upstream) },
    signal,
  });
  asked.end();
  try {
    const [answer, socket, head] = (await once(asked, "connect", { signal })) as [
      IncomingMessage,
      Socket,
      Buffer,
    ];
    const { statusCode = 502 } = answer;
    if (statusCode !== 200) throw new UpstreamError(statusCode);
    if (head.length > 0) socket.unshift(head);
    return socket;
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

export function authorizationOf({ authorization }: UpstreamProxy): Record<string, string> {
  return authorization === undefined ? {} : { "proxy-authorization": authorization };
}

function authorityOf({ host, port }: Pick<UpstreamTarget, "host" | "port">): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${String(port)}`;
}
