// One question to a server, over GraphQL.
import { text as readText } from "node:stream/consumers";
import { explainNetworkFailure } from "../network-failure.ts";
import { readVersion } from "../version.ts";
import { CommandError, exitCodes, type Server } from "./connection.ts";
import type { Document } from "./document.ts";
import { otherVersion, post } from "./http.ts";

const usualTimeoutMs = 60_000;
/** What git takes as long for as it needs. */
export const gitTimeoutMs = 3_600_000;

/** What the server said no to: its first code, and all that it said. */
export class Refusal extends CommandError {
  override readonly name = "Refusal";
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(exitCodes.refused, message, options);
    this.code = code;
  }
}

/** @returns the answer's data @throws Refusal, CommandError */
export async function ask<Data, Variables extends object>(
  server: Server,
  { text: query }: Document<Data, Variables>,
  variables: Variables,
  timeoutMs = usualTimeoutMs,
): Promise<Data> {
  const { body, status, version } = await send(
    server,
    JSON.stringify({ query, variables }),
    timeoutMs,
  );
  if (status === 401) throw unauthenticated(server);
  const answer = readAnswer(body);
  if (answer === undefined) {
    throw new CommandError(
      exitCodes.notReached,
      `what answers at ${server.url} is no Factory server (HTTP ${String(status)})`,
    );
  }
  // As the document says, which a test holds against the schema.
  if (answer.faults.length === 0) return answer.data as Data;
  throw refuse(answer, version);
}

export function unauthenticated({ url, tokenAdvice }: Server): Refusal {
  return new Refusal(
    "UNAUTHENTICATED",
    `UNAUTHENTICATED: the server at ${url} refused the token: ${tokenAdvice}`,
  );
}

export interface Fault {
  readonly code: string;
  readonly message: string;
}

export interface Answer {
  /** undefined: the document was not executed. */
  readonly data: unknown;
  readonly faults: readonly Fault[];
}

/** undefined: it is none of GraphQL's. */
export function readAnswer(body: string): Answer | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (!isObject(value) || (value["data"] === undefined && !Array.isArray(value["errors"]))) {
    return undefined;
  }
  const errors: unknown[] = Array.isArray(value["errors"]) ? value["errors"] : [];
  return { data: value["data"], faults: errors.map(readFault) };
}

function readFault(error: unknown): Fault {
  const { message, extensions } = isObject(error) ? error : {};
  const code = isObject(extensions) ? extensions["code"] : undefined;
  return {
    code: typeof code === "string" ? code : "INTERNAL",
    message: typeof message === "string" ? message : "the server gave no reason",
  };
}

export function refuse({ data, faults }: Answer, serverVersion: string | undefined): Refusal {
  const said = faults.map(({ code, message }) => `${code}: ${message}`).join("\n");
  // A document that isn't executed at all is one that the server's schema doesn't know.
  const isUnknown = serverVersion !== undefined && data === undefined;
  const advice = isUnknown
    ? `\nThe server (version ${serverVersion}) does not know what this command (version ${readVersion()}) asks for: use the same version of both.`
    : "";
  return new Refusal(faults[0]?.code ?? "INTERNAL", `${said}${advice}`);
}

interface Received {
  readonly status: number;
  readonly body: string;
  /** The server's, where it is another one than the command's. */
  readonly version: string | undefined;
}

async function send(server: Server, body: string, timeoutMs: number): Promise<Received> {
  try {
    const response = await post(server, {
      body,
      accept: "application/json",
      signal: AbortSignal.timeout(timeoutMs),
    });
    return {
      status: response.statusCode ?? 0,
      body: await readText(response),
      version: otherVersion(response),
    };
  } catch (error) {
    throw notReached(server, error);
  }
}

export function notReached({ url }: Server, error: unknown): CommandError {
  return new CommandError(
    exitCodes.notReached,
    `no server at ${url} was reached (${explainNetworkFailure(error)}): ${adviceFor(error)}`,
    { cause: error },
  );
}

function adviceFor(error: unknown): string {
  const why = explainNetworkFailure(error);
  if (why === "EPROTO") return "it doesn't speak https there; try http:// in FACTORY_URL";
  if (why === "ENOTFOUND" || why === "EAI_AGAIN") {
    return "no host is called so; correct FACTORY_URL";
  }
  return "see whether it runs, or correct FACTORY_URL";
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
