// What a worker's git reaches in place of its repository's remote, whose credentials stay with the server.
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { errorCodes, FactoryError } from "../../errors.ts";
import type { Repository } from "../../generated/prisma/client.ts";
import type { GitRepository, ServeInput } from "../../git/git.ts";
import { lfsType } from "../../git/lfs.ts";
import { addressesOf, composeInsteadOf } from "../../git/instead-of.ts";
import type { Logger } from "../../log.ts";
import type { Serve } from "../../sandbox/network/proxy.ts";
import { proxyUrlInside } from "../../sandbox/worker.ts";
import { createLfsRelay } from "./lfs-relay.ts";

export interface GitRelayOptions {
  readonly repository: Pick<Repository, "owner" | "name" | "url">;
  /** This runner's clone. */
  readonly clone: Pick<GitRepository, "serveFetch" | "findLfsFiles">;
  /** The worker's push, which begins with the list of refs. @throws FactoryError FORBIDDEN, and as `servePush` */
  readonly push: (input: ServeInput) => Promise<void>;
  /** A folder of this worker's alone, out of its reach. */
  readonly folder: string;
  readonly logger: Pick<Logger, "debug">;
}

type Place = Pick<Repository, "owner" | "name">;

function pathOf({ owner, name }: Place): string {
  return `/git/${owner}/${name}`;
}

/** For git inside. */
export function configureGit(repository: GitRelayOptions["repository"]): string {
  return composeInsteadOf(addressesOf(repository.url), `${proxyUrlInside}${pathOf(repository)}`);
}

export function createGitRelay(options: GitRelayOptions): Serve {
  const { repository, clone, push, folder } = options;
  const base = pathOf(repository);
  const services = {
    "git-upload-pack": { run: (input: ServeInput) => clone.serveFetch(input), view: "fetch.git" },
    "git-receive-pack": { run: push, view: "push.git" },
  } as const;
  const { url: remote } = repository;
  const lfs = createLfsRelay({
    url: remote,
    place: `${proxyUrlInside}${base}.git`,
    find: (request, signal) => clone.findLfsFiles({ url: remote, request, signal }),
  });

  async function handle(
    message: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const url = new URL(message.url ?? "", proxyUrlInside);
    const below = url.pathname.startsWith(base) ? url.pathname.slice(base.length) : undefined;
    if (below === undefined) throw unknown(url);
    const asked = `${message.method ?? ""} ${below.replace(/^\.git(?=\/)/, "")}`;
    if (lfs.serves(asked)) {
      await lfs.serve(asked, message, response, signal);
      return;
    }
    for (const [service, { run, view }] of Object.entries(services)) {
      const part = partOf(asked, service, url.searchParams.get("service"));
      if (part === undefined) continue;
      const kind = part === "refs" ? "advertisement" : "result";
      await run({
        view: `${folder}/${view}`,
        part,
        protocol: protocolOf(message),
        body: bodyOf(message),
        answer: () =>
          response.writeHead(200, {
            "Content-Type": `application/x-${service}-${kind}`,
            "Cache-Control": "no-cache",
          }),
        signal,
      });
      return;
    }
    const { http } = addressesOf(repository.url);
    if (/^(?:\.git)?(?:\/|$)/.test(below) || http === undefined) throw unknown(url);
    // Of another repository, whose address begins as this one's.
    message.resume();
    response.writeHead(302, { Location: `${http}${below}${url.search}` }).end();
  }

  return (message, response) => {
    const closing = new AbortController();
    response.once("close", () => {
      if (!response.writableFinished) closing.abort();
    });
    handle(message, response, closing.signal).catch((error: unknown) => {
      if (closing.signal.aborted) return;
      const { status, words } = explain(error);
      message.resume();
      if (response.headersSent) {
        response.destroy();
        return;
      }
      // git shows a text behind "remote:", git-lfs a message.
      const [type, text] =
        message.url?.includes("/info/lfs/") === true
          ? [lfsType, JSON.stringify({ message: words })]
          : ["text/plain; charset=utf-8", `${words}\n`];
      response.writeHead(status, { "Content-Type": type }).end(text);
    });
  };

  function explain(error: unknown): { readonly status: number; readonly words: string } {
    if (error instanceof FactoryError) {
      return { status: errorCodes[error.code], words: error.message };
    }
    // What the worker sends decides what fails here, and how often.
    options.logger.debug({ err: error }, "a worker's git was not served");
    return { status: 500, words: "Factory could not serve the repository" };
  }
}

function partOf(
  asked: string,
  service: string,
  wanted: string | null,
): ServeInput["part"] | undefined {
  if (asked === "GET /info/refs" && wanted === service) return "refs";
  return asked === `POST /${service}` ? "exchange" : undefined;
}

function unknown({ pathname }: URL): FactoryError {
  return new FactoryError("NOT_FOUND", `Factory serves nothing at ${pathname} to this worker`);
}

function protocolOf({ headers }: IncomingMessage): string {
  const protocol = String(headers["git-protocol"] ?? "");
  return /^[\w.=:-]{1,200}$/.test(protocol) ? protocol : "";
}

function bodyOf(message: IncomingMessage): Readable {
  if (message.headers["content-encoding"] !== "gzip") return message;
  // What is broken in it is found by whoever reads it.
  return pipeline(message, createGunzip(), () => undefined);
}
