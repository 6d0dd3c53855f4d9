// The page with the field for the token.
import { respondWithPage } from "./page-response.ts";

export interface SignInPage {
  readonly status: 200 | 401 | 403 | 429;
  /** Where to go once signed in: a path of this server's. */
  readonly next: string;
  /** What went wrong. */
  readonly note?: string;
  /**
   * Whether the browser came by a link of another site, and may be signed in: it sends the cookie only to a
   * page that this server's own leads to, which this one then does.
   */
  readonly isFromElsewhere?: boolean;
}

export function renderSignIn({ status, next, note, isFromElsewhere }: SignInPage): Response {
  const refresh = isFromElsewhere === true ? '<meta http-equiv="refresh" content="0">\n' : "";
  const alert = note === undefined ? "" : `  <p role="alert">${escape(note)}</p>\n`;
  return respondWithPage(
    `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${refresh}<title>Factory: sign in</title>
<style nonce="FACTORY_NONCE">
  body { max-width: 34rem; margin: 20vh auto 0; padding: 0 1.5rem; font: 16px/1.6 system-ui, sans-serif; }
  h1 { font-size: 1.4rem; }
  code { font-family: ui-monospace, monospace; }
  label { display: block; font-weight: 600; }
  input, button { font: inherit; padding: 0.4rem 0.7rem; }
  input { width: 100%; box-sizing: border-box; margin: 0.3rem 0 0.8rem; }
  [role="alert"] { border-left: 4px solid currentColor; padding-left: 0.8rem; font-weight: 600; }
</style>
<main>
  <h1>Sign in to Factory</h1>
${alert}  <form method="post" action="/sign-in">
    <input type="hidden" name="next" value="${escape(next)}">
    <label for="token">Token</label>
    <input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
    <button>Sign in</button>
  </form>
  <p>The token is the server's <code>FACTORY_TOKEN</code>. Where that is unset, it is in the file
  <code>token</code> in the server's <code>FACTORY_HOME</code>.</p>
</main>
</html>
`,
    status,
  );
}

function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${String(character.charCodeAt(0))};`);
}
