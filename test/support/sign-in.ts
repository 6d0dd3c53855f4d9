// Signs a browser in, without one.
import type { FactoryServer } from "./factory.ts";

export type SignedIn = Pick<FactoryServer, "url" | "token">;

/** What the sign-in page's form sends. */
export function postToken(
  { url }: Pick<FactoryServer, "url">,
  token: string,
  { next, headers = {} }: { next?: string; headers?: Record<string, string> } = {},
): Promise<Response> {
  return fetch(`${url}/sign-in`, {
    method: "POST",
    redirect: "manual",
    headers: { origin: url, ...headers },
    body: new URLSearchParams({ token, ...(next === undefined ? {} : { next }) }),
  });
}

/** As the header Cookie has it. */
export function cookieOf(response: Response): string {
  const [cookie = ""] = (response.headers.get("set-cookie") ?? "").split(";");
  return cookie;
}

export async function signIn(factory: SignedIn): Promise<string> {
  const response = await postToken(factory, factory.token);
  if (response.status !== 303)
    throw new Error(`signing in was answered ${String(response.status)}`);
  return cookieOf(response);
}
