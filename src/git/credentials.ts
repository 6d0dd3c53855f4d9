import { rm } from "node:fs/promises";
import { readIfThere, replaceFile } from "./files.ts";
import type { Credentials } from "./remote-url.ts";

/** Readable by the server's user alone. Workers run as that user, but are told neither of it nor its place. */
export async function saveCredentials(path: string, credentials: Credentials): Promise<void> {
  await replaceFile(path, JSON.stringify(credentials), 0o600);
}

export async function removeCredentials(path: string): Promise<void> {
  await rm(path, { force: true });
}

/**
 * Variables for one call that talks to the remote; the credential helper of the control folder's
 * configuration gives them to git (gitcredentials(7)) when the host asks, and no other host gets them.
 */
export async function readCredentialVariables(path: string): Promise<Record<string, string>> {
  const found = await readCredentials(path);
  return found === undefined
    ? {}
    : { FACTORY_GIT_USERNAME: found.username, FACTORY_GIT_PASSWORD: found.password };
}

/** undefined where none are saved. */
export async function readCredentials(path: string): Promise<Credentials | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  const stored: unknown = JSON.parse(text);
  if (typeof stored !== "object" || stored === null) return undefined;
  const { username, password } = stored as Partial<Record<keyof Credentials, unknown>>;
  if (typeof username !== "string" || typeof password !== "string") return undefined;
  return { username, password };
}
