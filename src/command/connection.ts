// Where the server is, and with which token it is asked.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { addressFileOf, parseAddress } from "../address-file.ts";
import { loadClientConfig, type ClientConfig } from "../client-config.ts";
import { ConfigError } from "../config-error.ts";
import { readBootId, readLiveProcess } from "../process/proc.ts";

/** What a command ends with; see the README. */
export const exitCodes = { done: 0, refused: 1, badUsage: 2, notReached: 3 } as const;

/** Ends a command with a sentence for whoever started it. */
export class CommandError extends Error {
  override readonly name: string = "CommandError";
  readonly exitCode: number;

  constructor(exitCode: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

export interface Server {
  /** Without a slash at its end. */
  readonly url: string;
  readonly token: string;
  /** What to do where it doesn't take the token. */
  readonly tokenAdvice: string;
  readonly traceparent: string | undefined;
}

/** A worker's own, else the one of this machine. @throws CommandError */
export async function findServer(config: ClientConfig = readConfig()): Promise<Server> {
  const url = config.url ?? (await readAddress(config));
  const { traceparent } = config;
  if (config.token === undefined) return { url, traceparent, ...(await readToken(config, url)) };
  return {
    url,
    traceparent,
    token: config.token,
    tokenAdvice:
      config.worker === undefined
        ? "FACTORY_TOKEN is not the token of this server: take the one that its start printed, or unset it where this command runs on the server's own machine"
        : `the token of ${config.worker.name} ends with its session`,
  };
}

/** From the environment. @throws CommandError */
export function readConfig(): ClientConfig {
  try {
    return loadClientConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new CommandError(exitCodes.badUsage, error.message, { cause: error });
  }
}

/** @throws CommandError where no server of this FACTORY_HOME runs */
async function readAddress({ home, token, usualUrl }: ClientConfig): Promise<string> {
  const file = addressFileOf(home);
  const text = await readIfThere(file);
  const address = text === undefined ? undefined : parseAddress(text);
  if (address?.bootId === readBootId() && readLiveProcess(address) !== undefined) {
    return address.url;
  }
  // A token that was given with care may go where servers usually are; the operator's own, from its file, may not:
  // anybody may listen there.
  if (token !== undefined) return usualUrl;
  const why =
    text === undefined ? `there is no ${file}` : `the server that has left ${file} has ended`;
  throw new CommandError(
    exitCodes.notReached,
    `no server runs here (${why}): start one with npm start, or set FACTORY_URL and FACTORY_TOKEN to one elsewhere`,
  );
}

/** The operator's, from FACTORY_HOME. @throws CommandError */
async function readToken(
  { home }: ClientConfig,
  url: string,
): Promise<Pick<Server, "token" | "tokenAdvice">> {
  if (!isLoopback(url)) {
    throw new CommandError(
      exitCodes.notReached,
      `FACTORY_TOKEN is not set: set it to the token of the server at ${url}`,
    );
  }
  const file = join(home, "token");
  const token = (await readIfThere(file))?.trim();
  if (token !== undefined && token !== "") {
    return {
      token,
      tokenAdvice: `it does not take the token of ${file}: where it was started with FACTORY_TOKEN, set the same here`,
    };
  }
  throw new CommandError(
    exitCodes.notReached,
    `FACTORY_TOKEN is not set, and there is no ${file}: set it to the one with which the server at ${url} was started`,
  );
}

/** @throws CommandError where it is there, and can't be read */
async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(
      exitCodes.notReached,
      `${file} can't be read (${reason}): run this as the user of the server, or set FACTORY_URL and FACTORY_TOKEN`,
      { cause: error },
    );
  }
}

function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}
