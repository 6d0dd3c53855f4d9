// Files of Git LFS for a worker: from where the remote has them, which may be another host that no list has.
import { lookup } from "node:dns";
import { request as requestHttp, type IncomingMessage, type ServerResponse } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { once } from "node:events";
import { pipeline } from "node:stream/promises";
import { FactoryError } from "../../errors.ts";
import { lfsType, type LfsFile, type LfsSource } from "../../git/lfs.ts";
import { readText } from "../../read-text.ts";
import { isPublic } from "../../sandbox/network/policy.ts";

export interface LfsRelayOptions {
  /** The remote's, without credentials. */
  readonly url: string;
  /** Where the worker reaches what is served here, without a final slash. */
  readonly place: string;
  readonly find: (request: string, signal: AbortSignal) => Promise<LfsFile[]>;
}

export interface LfsRelay {
  /** Whether it serves such a request: a method, and a path below the repository's. */
  serves(asked: string): boolean;
  /** @throws FactoryError NOT_FOUND, REMOTE_UNREACHABLE, FORBIDDEN, and as `find` */
  serve(
    asked: string,
    message: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void>;
}

const batch = "POST /info/lfs/objects/batch";
const download = /^GET \/info\/lfs\/objects\/([0-9a-f]{64})$/;
const maxRequestBytes = 1024 * 1024;
/** Of files that were asked for and not yet fetched; git-lfs asks for a hundred at once. */
const mostSources = 10_000;
const idleTimeoutMs = 120_000;

export function createLfsRelay({ url, place, find }: LfsRelayOptions): LfsRelay {
  const sources = new Map<string, LfsSource>();
  const remoteHost = URL.parse(url)?.hostname;

  async function list(
    message: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const request = await readText(message, maxRequestBytes);
    if (request === undefined) throw new FactoryError("BAD_INPUT", "the request is too long");
    const files = await find(request, signal);
    const objects = files.map(({ oid, size, source, error }) => {
      if (source === undefined) return { oid, size, error };
      sources.delete(oid);
      sources.set(oid, source);
      const href = `${place}/info/lfs/objects/${oid}`;
      return { oid, size, authenticated: true, actions: { download: { href } } };
    });
    for (const oldest of sources.keys()) {
      if (sources.size <= mostSources) break;
      sources.delete(oldest);
    }
    response.writeHead(200, { "Content-Type": lfsType });
    response.end(JSON.stringify({ transfer: "basic", objects }));
  }

  async function fetchFile(oid: string, response: ServerResponse, signal: AbortSignal) {
    const source = sources.get(oid);
    if (source === undefined) {
      throw new FactoryError("NOT_FOUND", "no batch with that file was asked for: fetch it again");
    }
    const answer = await open(source, signal);
    const { statusCode = 502, headers } = answer;
    if (statusCode !== 200) {
      answer.resume();
      throw new FactoryError(
        "REMOTE_UNREACHABLE",
        `the remote's Git LFS answered ${String(statusCode)} to the request for a file`,
      );
    }
    const length = headers["content-length"];
    response.writeHead(200, {
      "Content-Type": "application/octet-stream",
      ...(length === undefined ? {} : { "Content-Length": length }),
    });
    await pipeline(answer, response);
  }

  /** A remote that isn't trusted could name a place in the server's own network otherwise. */
  async function open({ url: text, headers }: LfsSource, signal: AbortSignal) {
    const target = URL.parse(text);
    if (target === null || !/^https?:$/.test(target.protocol)) {
      throw new FactoryError("REMOTE_UNREACHABLE", "the remote's Git LFS names no http address");
    }
    const isRemote = target.hostname === remoteHost;
    const host = target.hostname.replace(/^\[(.*)\]$/, "$1");
    if (!isRemote && isIP(host) !== 0 && !isPublic(host)) throw notPublic(host);
    const send = target.protocol === "https:" ? requestHttps : requestHttp;
    const request = send(target, {
      headers,
      signal,
      timeout: idleTimeoutMs,
      ...(isRemote ? {} : { lookup: lookUpPublic }),
    });
    request.on("timeout", () => request.destroy(new Error("no answer in time")));
    request.end();
    try {
      const [answer] = (await once(request, "response")) as [IncomingMessage];
      return answer;
    } catch (error) {
      if (error instanceof FactoryError) throw error;
      signal.throwIfAborted();
      throw new FactoryError("REMOTE_UNREACHABLE", `${host} could not be reached`, {
        cause: error,
      });
    }
  }

  return {
    serves: (asked) => asked === batch || download.test(asked),
    async serve(asked, message, response, signal) {
      const [, oid] = download.exec(asked) ?? [];
      await (oid === undefined
        ? list(message, response, signal)
        : fetchFile(oid, response, signal));
    },
  };
}

const lookUpPublic: LookupFunction = (host, options, callback) => {
  lookup(host, { ...options, all: true }, (error, found) => {
    if (error !== null) {
      callback(error, []);
      return;
    }
    const addresses = found.filter(({ address }) => isPublic(address));
    const [first] = addresses;
    if (first === undefined) callback(notPublic(host), []);
    else if (options.all === true) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};

function notPublic(host: string): FactoryError {
  return new FactoryError(
    "FORBIDDEN",
    `the remote's Git LFS keeps the file at ${host}, which is at a private address and another host than the remote's`,
  );
}
