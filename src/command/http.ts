// One request to a server. By node:http, which a process has loaded in a quarter of the time that fetch takes.
import { request, type IncomingMessage } from "node:http";
import { readVersion, versionHeader } from "../version.ts";
import type { Server } from "./connection.ts";

export interface Post {
  readonly body: string;
  readonly accept: string;
  readonly signal: AbortSignal;
}

/** Resolves with the answer's head; its body is still to be read. */
export async function post(
  { url, token, traceparent }: Server,
  { body, accept, signal }: Post,
): Promise<IncomingMessage> {
  const target = `${url}/graphql`;
  const send = target.startsWith("https:") ? (await import("node:https")).request : request;
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sent = send(target, {
    method: "POST",
    signal,
    headers: {
      accept,
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      authorization: `Bearer ${token}`,
      ...(traceparent === undefined ? {} : { traceparent }),
    },
  });
  sent.once("response", resolve);
  // Later ones, too, which the reader of the body is told of itself.
  sent.on("error", reject);
  sent.end(body);
  const response = await promise;
  warnOfOtherVersion(response);
  return response;
}

let hasWarned = false;

/** The server's version where it is another one than the command's own. */
export function otherVersion({ headers }: IncomingMessage): string | undefined {
  const version = headers[versionHeader.toLowerCase()];
  return typeof version === "string" && version !== readVersion() ? version : undefined;
}

function warnOfOtherVersion(response: IncomingMessage): void {
  const version = otherVersion(response);
  if (version === undefined || hasWarned) return;
  hasWarned = true;
  process.stderr.write(
    `factory: this command is of version ${readVersion()}, the server of ${version}: what only one of them knows will fail\n`,
  );
}
