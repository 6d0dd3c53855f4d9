// Hands out the Agents Monitor, as it was built: its page at its own addresses, and its files.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { serveStatic } from "@hono/node-server/serve-static";
import type { MiddlewareHandler } from "hono";
import { respondWithPage } from "./page-response.ts";

/** The page's addresses: see src/monitor/routes.ts. */
export const pagePaths = ["/", "/workers/*", "/parents/*"];
export const assetPaths = "/assets/*";

const notBuilt =
  "The Agents Monitor is not built: run `npm run build:monitor`, then load this page again. GraphiQL is at /graphql.";

export interface Monitor {
  /** Its page; for those who may see it. At an address that it doesn't know it says so itself. */
  page(status?: 200 | 404): Promise<Response>;
  readonly assets: MiddlewareHandler;
}

export function createMonitor(
  folder: string = join(import.meta.dirname, "../../dist/monitor"),
): Monitor {
  return {
    async page(status = 200) {
      const html = await readPage(folder);
      if (html === undefined) return new Response(notBuilt, { status: status === 404 ? 404 : 503 });
      return respondWithPage(html, status);
    },
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
