// What a worker's git reaches in place of its repository's remote, whose credentials stay with the server.
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { errorCodes, FactoryError } from "../../errors.ts";
import type { Repository } from "../../generated/prisma/client.ts";
import type { GitRepository } from "../../git/git.ts";
import { addressesOf, composeInsteadOf } from "../../git/instead-of.ts";
import type { Logger } from "../../log.ts";
import type { Serve } from "../../sandbox/network/proxy.ts";
import { proxyUrlInside } from "../../sandbox/worker.ts";

export interface GitRelayOptions {
  readonly repository: Pick<Repository, "owner" | "name" | "url">;
  /** This runner's clone. */
  readonly clone: Pick<GitRepository, "serve">;
  /** A folder of the worker's own, out of its reach. */
  readonly view: string;
  readonly logger: Pick<Logger, "debug" | "error">;
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
  const { repository, clone, view, logger } = options;
  const base = pathOf(repository);

  async function handle(message: IncomingMessage, response: ServerResponse, signal: AbortSignal) {
    const url = new URL(message.url ?? "", proxyUrlInside);
    if (!url.pathname.startsWith(base)) throw unknown(url);
    const below = url.pathname.slice(base.length).replace(/^\.git(?=\/)/, "");
    const service = url.searchParams.get("service");
    const asked = `${message.method ?? ""} ${below}`;
    if (asked === "GET /info/refs" && service === "git-upload-pack") {
      return serveFetch("refs");
    }
    if (asked === "POST /git-upload-pack") return serveFetch("pack");
    if (service === "git-receive-pack" || below === "/git-receive-pack") throw noPush;
    if (!below.startsWith("/")) {
      redirect(below + url.search);
      return;
    }
    throw unknown(url);

    /** Of another repository, whose address begins as this one's. */
    function redirect(rest: string): void {
      const { http } = addressesOf(repository.url);
      if (http === undefined) throw unknown(url);
      message.resume();
      response.writeHead(302, { Location: `${http}${rest}` }).end();
    }

    function serveFetch(part: "refs" | "pack"): Promise<void> {
      const protocol = String(message.headers["git-protocol"] ?? "");
      const kind = part === "refs" ? "advertisement" : "result";
      return clone.serve({
        view,
        part,
        protocol: /^[\w.=:-]{1,200}$/.test(protocol) ? protocol : "",
        body: bodyOf(message),
        answer: () =>
          response.writeHead(200, {
            "Content-Type": `application/x-git-upload-pack-${kind}`,
            "Cache-Control": "no-cache",
          }),
        signal,
      });
    }
  }

  function explain(error: unknown): { readonly status: number; readonly words: string } {
    if (error instanceof FactoryError) {
      return { status: errorCodes[error.code], words: error.message };
    }
    // What the worker sends decides what fails here.
    logger.debug({ err: error }, "a worker's git was not served");
    return { status: 500, words: "Factory could not serve the repository" };
  }

  return (message, response) => {
    const closing = new AbortController();
    response.once("close", () => closing.abort());
    handle(message, response, closing.signal).catch((error: unknown) => {
      if (closing.signal.aborted) return;
      const { status, words } = explain(error);
      message.resume();
      if (response.headersSent) {
        response.destroy();
        return;
      }
      // git shows a text behind "remote:".
      response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8" });
      response.end(`${words}\n`);
    });
  };
}

const noPush = new FactoryError(
  "FORBIDDEN",
  "a worker pushes nothing itself: commit, and where the session was dispatched with push, Factory pushes its branch at the end",
);

function unknown({ pathname }: URL): FactoryError {
  return new FactoryError("NOT_FOUND", `Factory serves nothing at ${pathname} to this worker`);
}

function bodyOf(message: IncomingMessage): Readable {
  if (message.headers["content-encoding"] !== "gzip") return message;
  // What is broken in it is found by whoever reads it.
  return pipeline(message, createGunzip(), () => undefined);
}
