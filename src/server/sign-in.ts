// Signs browsers in and out: the token, or the link that the start prints, for a session's cookie.
import { Hono, type Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { deleteCookie, setCookie } from "hono/cookie";
import { FactoryError } from "../errors.ts";
import { cookieNameOf, isOwnOrigin, readCredentials, type Authenticator } from "./auth.ts";
import { sessionSeconds, type BrowserSessions } from "./browser-sessions.ts";
import type { Client } from "./client-address.ts";
import type { FailedSignIns } from "./failed-sign-ins.ts";
import type { SignInLink } from "./sign-in-link.ts";
import { renderSignIn, type SignInPage } from "./sign-in-page.ts";

export const signOutPath = "/sign-out";
const maxFormBytes = 16 * 1024;

export interface SignInDependencies {
  readonly authenticator: Authenticator;
  readonly sessions: BrowserSessions;
  readonly link: SignInLink;
  readonly failures: FailedSignIns;
}

interface Env {
  Variables: { client: Client };
}

/** For everybody. */
export function createSignIn({
  authenticator,
  sessions,
  link,
  failures,
}: SignInDependencies): Hono<Env> {
  const app = new Hono<Env>();

  async function enter(context: Context<Env>, next: string): Promise<Response> {
    const { address, isSecure } = context.get("client");
    failures.succeeded(address);
    setCookie(
      context,
      cookieNameOf(context.req.header("host"), isSecure),
      await sessions.create(),
      {
        httpOnly: true,
        sameSite: "Strict",
        secure: isSecure,
        path: "/",
        maxAge: sessionSeconds,
      },
    );
    return context.redirect(next, 303);
  }

  app.get("/sign-in", async (context) => {
    const next = localPath(context.req.query("next"));
    const code = context.req.query("code");
    if (code === undefined) return renderSignIn({ status: 200, next });
    // Its codes can't be guessed: whoever has to wait with tokens may still use it.
    if (link.use(code)) return enter(context, next);
    failures.failed(context.get("client").address);
    const note = "This link was used before, or is older than an hour. Enter the token instead.";
    return renderSignIn({ status: 401, next, note });
  });

  app.post(
    "/sign-in",
    bodyLimit({
      maxSize: maxFormBytes,
      onError() {
        const note = `The form is larger than ${String(maxFormBytes / 1024)} KiB.`;
        return renderSignIn({ status: 401, next: "/", note });
      },
    }),
    async (context) => {
      const form = new URLSearchParams(await context.req.text());
      const next = localPath(form.get("next") ?? undefined);
      const refuse = (status: SignInPage["status"], note: string) =>
        renderSignIn({ status, next, note });
      const { origin, host } = context.req.header();
      if (origin !== undefined && !isOwnOrigin(origin, host)) {
        return refuse(403, "A page of another origin can't sign in.");
      }
      const { address } = context.get("client");
      const seconds = failures.secondsToWait(address);
      if (seconds > 0) {
        const response = refuse(
          429,
          `Too many failed sign-ins from ${address}. Try again in ${String(seconds)} s.`,
        );
        response.headers.set("Retry-After", String(seconds));
        return response;
      }
      // Before the look at the token: of many at the same moment each counts.
      failures.failed(address);
      const token = form.get("token")?.trim() ?? "";
      const viewer = await authenticator.identify({ kind: "token", token });
      if (viewer?.kind === "operator") return enter(context, next);
      return refuse(
        401,
        viewer === undefined
          ? "This is not the server's token."
          : "This is a worker's token. Only the server's token signs in.",
      );
    },
  );

  return app;
}

/** For whoever is signed in, from a page of this server's own. */
export function createSignOut({ sessions }: Pick<SignInDependencies, "sessions">): Hono<Env> {
  const app = new Hono<Env>();
  app.post(signOutPath, async (context) => {
    const { isSecure } = context.get("client");
    const { authorization, cookie, host } = context.req.header();
    const name = cookieNameOf(host, isSecure);
    const credentials = readCredentials({ authorization, cookie }, name);
    if (credentials?.kind !== "session") {
      throw new FactoryError("BAD_INPUT", "only a browser's session can sign out");
    }
    await sessions.end(credentials.id);
    deleteCookie(context, name, { path: "/", secure: isSecure });
    return context.body(null, 204);
  });

  return app;
}

/** A path of this server's, whatever was asked for: another host would get whoever signs in. */
export function localPath(asked: string | undefined): string {
  const base = "http://localhost";
  if (asked === undefined || !asked.startsWith("/") || !URL.canParse(asked, base)) return "/";
  const { origin, pathname, search } = new URL(asked, base);
  // "/.//host" has a pathname that is another host's by itself.
  return origin === base && !pathname.startsWith("//") ? pathname + search : "/";
}
