// Hands out the Agents Monitor, as it was built: its page at its own addresses, and its files.
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { serveStatic } from "@hono/node-server/serve-static";
import type { MiddlewareHandler } from "hono";

/** The page's addresses: see src/monitor/routes.ts. */
export const pagePaths = ["/", "/workers/*", "/parents/*"];
export const assetPaths = "/assets/*";

const notBuilt =
  "The Agents Monitor is not built: run `npm run build:monitor`, then load this page again. GraphiQL is at /graphql.";

export interface Monitor {
  /** Its page; for those who may see it. At an address that it doesn't know it says so itself. */
  page(status?: 200 | 404): Promise<Response>;
  /** Instead of it, for a browser without a token. */
  signIn(): Response;
  readonly assets: MiddlewareHandler;
}

export function createMonitor(
  folder: string = join(import.meta.dirname, "../../dist/monitor"),
): Monitor {
  return {
    async page(status = 200) {
      const html = await readPage(folder);
      if (html === undefined) return new Response(notBuilt, { status: status === 404 ? 404 : 503 });
      return respond(html, status);
    },
    signIn: () => respond(signInPage, 401),
    assets: serveAssets(folder),
  };
}

/** Read anew each time, as it may be built anew while the server runs; undefined: it is not built. */
async function readPage(folder: string): Promise<string | undefined> {
  const file = join(folder, "index.html");
  return existsSync(file) ? readFile(file, "utf8") : undefined;
}

/** Files whose names change with their content. */
function serveAssets(folder: string): MiddlewareHandler {
  let serve: MiddlewareHandler | undefined;
  return (context, next) => {
    serve ??= serveStatic({
      root: folder,
      precompressed: true,
      onFound(_path, found) {
        found.header("Cache-Control", "private, max-age=31536000, immutable");
      },
    });
    return serve(context, next);
  };
}

function respond(html: string, status: number): Response {
  const nonce = randomBytes(16).toString("base64");
  return new Response(html.replaceAll("FACTORY_NONCE", nonce), {
    status,
    headers: {
      "Content-Type": "text/html; charset=utf-8",
      "Cache-Control": "no-store",
      "Content-Security-Policy": policy(nonce),
    },
  });
}

/**
 * Everything from this server, and nothing inline but style elements with the nonce: libraries make some.
 * 'self' includes this server's WebSocket. Source: CSP level 3, 6.7.2.8.
 */
function policy(nonce: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join("; ");
}

const signInPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Factory: sign in</title>
<style nonce="FACTORY_NONCE">
  body { max-width: 34rem; margin: 20vh auto 0; padding: 0 1.5rem; font: 16px/1.6 system-ui, sans-serif; }
  h1 { font-size: 1.4rem; }
  code { font-family: ui-monospace, monospace; }
</style>
<main>
  <h1>This browser is not signed in</h1>
  <p>Open the address that the server printed at its start: it ends in <code>/?token=…</code> and is needed
  once per browser.</p>
  <p>The token is also in the file <code>token</code> in the server's FACTORY_HOME. Put it behind this
  page's address: <code>/?token=TOKEN</code></p>
</main>
</html>
`;
