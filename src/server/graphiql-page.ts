// GraphiQL's page under a Content-Security-Policy: its scripts are inline, and known by their nonce.
import { randomBytes } from "node:crypto";
import type { Plugin } from "graphql-yoga";

const placeholder = "FACTORY_NONCE";

/** For graphiqlPlugin, which puts one in that is new for each answer. */
export function withNonces(html: string): string {
  // The page's own tag; others are text inside of that script.
  return html.replace(/<script>(?=\s*function prepareBlob)/, `<script nonce="${placeholder}">`);
}

export const graphiqlPlugin: Plugin = {
  onResponse: async (answer) => {
    const { response } = answer;
    if (response.headers.get("content-type") !== "text/html") return;
    const nonce = randomBytes(16).toString("base64");
    const html = (await response.text()).replaceAll(`nonce="${placeholder}"`, `nonce="${nonce}"`);
    const headers = {
      "Content-Type": "text/html; charset=utf-8",
      "Cache-Control": "no-store",
      "Content-Security-Policy": policy(nonce),
    };
    answer.setResponse(new Response(html, { status: response.status, headers }));
  },
};

/**
 * Everything is in the page. Its editor makes style elements and attributes by itself, without the nonce,
 * and starts its workers from what the page holds.
 */
function policy(nonce: string): string {
  return [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    "style-src 'unsafe-inline'",
    "worker-src blob:",
    "img-src data:",
    "font-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}
