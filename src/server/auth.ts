// Who speaks: the operator by the server's token, a worker by its own.
import { createHash, timingSafeEqual } from "node:crypto";
import type { Viewer } from "../access/viewer.ts";
import type { WorkerService } from "../workers/service.ts";

export const cookieName = "factory_token";

export interface Authenticator {
  /** undefined: nobody that is known. */
  identify(token: string | undefined): Promise<Viewer | undefined>;
}

export function createAuthenticator(operatorToken: string, workers: WorkerService): Authenticator {
  const operator = digest(operatorToken);
  return {
    async identify(token) {
      if (token === undefined || token === "") return undefined;
      // Digests have one length, so that the comparison takes the same time for every token.
      if (timingSafeEqual(digest(token), operator)) return { kind: "operator" };
      return workers.identify(token);
    },
  };
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

export interface Credentials {
  readonly token: string | undefined;
  /** Whether the browser sent it by itself: then the page that asks must be this server's own. */
  readonly ambient: boolean;
}

/** From the Authorization header, else the cookie. */
export function readCredentials(headers: {
  readonly authorization: string | undefined;
  readonly cookie: string | undefined;
}): Credentials {
  const token = readBearer(headers.authorization);
  if (token !== undefined) return { token, ambient: false };
  return { token: readCookie(headers.cookie), ambient: true };
}

export function readBearer(authorization: string | undefined): string | undefined {
  return /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
}

function readCookie(header: string | undefined): string | undefined {
  for (const part of header?.split(";") ?? []) {
    const [name, value] = part.trim().split("=");
    if (name === cookieName) return value;
  }
  return undefined;
}

/** Whether a page of this server's own made the request. */
export function isOwnOrigin(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined || host === undefined || !URL.canParse(origin)) return false;
  return new URL(origin).host === host;
}
