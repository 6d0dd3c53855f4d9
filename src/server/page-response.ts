// A page of this server's own, with its Content-Security-Policy.
import { randomBytes } from "node:crypto";

/** FACTORY_NONCE in the HTML stands for the page's nonce. */
export function respondWithPage(html: string, status: number): Response {
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
