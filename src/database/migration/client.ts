import pg from "pg";
import { FactoryError } from "../../errors.ts";
import { errorCodeOf } from "../error-code.ts";

const connectTimeoutMs = 10_000;

/**
 * Runs `use` with a connection of its own, and closes it.
 * @throws FactoryError SERVICE_UNAVAILABLE where the database lets nobody in, or not this user.
 */
export async function withClient<T>(
  url: string,
  use: (client: pg.Client) => Promise<T>,
  /** How long a statement may take. Default: as long as it does. */
  queryTimeoutMs?: number,
): Promise<T> {
  const client = open(url, queryTimeoutMs);
  // A connection that breaks fails the statement in hand; unheard, the event would end the process.
  client.on("error", () => undefined);
  try {
    await client.connect().catch((error: unknown) => {
      throw unreachable(url, error);
    });
    return await use(client);
  } finally {
    await client.end();
  }
}

/** It reads the files of certificates that the URL names. */
function open(url: string, queryTimeoutMs: number | undefined): pg.Client {
  try {
    return new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: connectTimeoutMs,
      query_timeout: queryTimeoutMs,
      application_name: "factory migrations",
    });
  } catch (error) {
    throw unreachable(url, error);
  }
}

function unreachable(url: string, error: unknown): FactoryError {
  const { host, pathname, searchParams } = new URL(url);
  // Several addresses that all refuse are one error without a message, but with a code.
  const message = error instanceof Error ? error.message : String(error);
  const reason = message === "" ? errorCodeOf(error) : message;
  return new FactoryError(
    "SERVICE_UNAVAILABLE",
    `the database ${pathname.slice(1)} at ${searchParams.get("host") ?? host} can't be opened: ` +
      `${reason ?? "no reason was given"}; check DATABASE_URL, and that the database is up` +
      ((reason ?? "").includes("certificate")
        ? " (sslrootcert=FILE names the certificate's authority)"
        : ""),
    { cause: error },
  );
}
