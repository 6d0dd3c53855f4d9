// The API's page for people, with nothing loaded from another host.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Env, Hono } from "hono";
import { compress } from "hono/compress";

const folder = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));

const html = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width" />
    <title>Factory: REST</title>
    <link rel="stylesheet" href="/api/page/swagger-ui.css" />
    <script src="/api/page/swagger-ui-bundle.js" defer></script>
    <script src="/api/page/start.js" defer></script>
  </head>
  <body>
    <main id="api"></main>
  </body>
</html>
`;

// Without the validator, which is another host's.
const start = `SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  validatorUrl: null,
});
`;

const files: readonly (readonly [path: string, type: string, read: () => Promise<string>])[] = [
  ["/api/page/swagger-ui.css", "text/css", () => readDist("swagger-ui.css")],
  ["/api/page/swagger-ui-bundle.js", "text/javascript", () => readDist("swagger-ui-bundle.js")],
  ["/api/page/start.js", "text/javascript", () => Promise.resolve(start)],
];

/** Images inside style sheets are data URLs; everything else comes from this server. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** @returns the paths, which take GET alone */
export function servePage<E extends Env>(app: Hono<E>): string[] {
  app.get("/api", (context) =>
    context.html(html, 200, { "Content-Security-Policy": contentSecurityPolicy }),
  );
  for (const [path, type, read] of files) {
    app.get(path, compress(), async (context) =>
      context.body(await read(), 200, {
        "Content-Type": `${type}; charset=utf-8`,
        // They change with the server's version alone.
        "Cache-Control": "private, max-age=3600",
      }),
    );
  }
  return ["/api", ...files.map(([path]) => path)];
}

function readDist(name: string): Promise<string> {
  return readFile(join(folder, name), "utf8");
}
