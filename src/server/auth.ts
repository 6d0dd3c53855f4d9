// Who speaks: the operator by the server's token or a browser's session, a worker by its own token.
import { createHash, timingSafeEqual } from "node:crypto";
import type { Viewer } from "../access/viewer.ts";
import type { WorkerService } from "../workers/service.ts";
import type { BrowserSessions } from "./browser-sessions.ts";

export type Credentials =
  | { readonly kind: "token"; readonly token: string }
  /** A browser sends its cookie by itself: it counts for this server's own pages alone. */
  | { readonly kind: "session"; readonly id: string };

export interface Authenticator {
  /** undefined: nobody that is known. */
  identify(credentials: Credentials | undefined): Promise<Viewer | undefined>;
}

export function createAuthenticator(
  operatorToken: string,
  workers: Pick<WorkerService, "identify">,
  sessions: Pick<BrowserSessions, "isValid">,
): Authenticator {
  const operator = digest(operatorToken);
  return {
    async identify(credentials) {
      if (credentials === undefined) return undefined;
      if (credentials.kind === "session") {
        return (await sessions.isValid(credentials.id)) ? { kind: "operator" } : undefined;
      }
      const { token } = credentials;
      // Digests have one length, so that the comparison takes the same time for every token.
      if (timingSafeEqual(digest(token), operator)) return { kind: "operator" };
      return workers.identify(token);
    },
  };
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** From the Authorization header, else the cookie. */
export function readCredentials(
  headers: { readonly authorization: string | undefined; readonly cookie: string | undefined },
  cookieName: string,
): Credentials | undefined {
  const token = readBearer(headers.authorization);
  if (token !== undefined) return { kind: "token", token };
  const id = readCookie(headers.cookie, cookieName);
  return id === undefined ? undefined : { kind: "session", id };
}

export function readBearer(authorization: string | undefined): string | undefined {
  return /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
}

function readCookie(header: string | undefined, cookieName: string): string | undefined {
  for (const part of header?.split(";") ?? []) {
    const [name, value] = part.trim().split("=");
    if (name === cookieName && value !== "") return value;
  }
  return undefined;
}

/**
 * Cookies know no port: without it in its name, two servers of a host would overwrite each other's. The port
 * is the one that the browser sees, so that servers behind one address share the cookie.
 */
export function cookieNameOf(host: string | undefined, isSecure: boolean): string {
  const port = /:(\d{1,5})$/.exec(host ?? "")?.[1] ?? (isSecure ? "443" : "80");
  return `factory_session_${port}`;
}

export interface PageHeaders {
  readonly origin?: string | undefined;
  readonly host?: string | undefined;
  readonly "sec-fetch-site"?: string | undefined;
}

/** Whether a page of this server's own made the request. No page can make up these headers. */
export function isFromOwnPage(headers: PageHeaders): boolean {
  const { origin, host, "sec-fetch-site": site } = headers;
  if (site !== undefined && site !== "same-origin") return false;
  return origin === undefined ? site === "same-origin" : isOwnOrigin(origin, host);
}

/** Whether the origin is this server's. */
export function isOwnOrigin(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined || host === undefined || !URL.canParse(origin)) return false;
  return new URL(origin).host === host;
}
