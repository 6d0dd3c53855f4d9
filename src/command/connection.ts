import { readFile } from "node:fs/promises";
import { loadConnection } from "../config.ts";

/** What a command ends with; see the README. */
export const exitCodes = { done: 0, refused: 1, badUsage: 2, notReached: 3 } as const;

/** Ends a command with a sentence for whoever started it. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly exitCode: number;

  constructor(exitCode: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

export interface Server {
  readonly url: string;
  readonly token: string;
}

/** A worker's own, else the one of this machine. @throws ConfigError, CommandError */
export async function findServer(): Promise<Server> {
  const { url, token, tokenFile } = loadConnection();
  if (token !== undefined) return { url, token };
  try {
    return { url, token: (await readFile(tokenFile, "utf8")).trim() };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(
      exitCodes.notReached,
      `no server was started here, and FACTORY_TOKEN is not set (${reason}): start one with npm start, or set FACTORY_URL and FACTORY_TOKEN`,
    );
  }
}
