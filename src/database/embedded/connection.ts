import pg from "pg";
import { databaseName, roleName } from "./layout.ts";
import type { RunningPostgres } from "./leftover.ts";

const connectTimeoutMs = 10_000;

/**
 * A URL that node-postgres, Prisma's adapter, psql and `new URL` understand alike: the socket's folder as
 * the parameter `host`, which has precedence over the host's name in its usual place.
 * https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 */
export function connectionUrl(
  { socketFolder, port }: RunningPostgres,
  password: string,
  database = databaseName,
): string {
  const url = new URL(`postgresql://localhost:${port}/`);
  url.username = roleName;
  url.password = password;
  url.pathname = database;
  url.searchParams.set("host", socketFolder);
  // node-postgres reads %20, and a plus sign as it is.
  return url.href.replaceAll("+", "%20");
}

/** Makes the database `factory` where there is none. */
export async function createDatabase(running: RunningPostgres, password: string): Promise<void> {
  const client = new pg.Client({
    connectionString: connectionUrl(running, password, "postgres"),
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: 60_000,
  });
  // A connection that breaks fails the query in hand; the event would end the process.
  client.on("error", () => undefined);
  try {
    await client.connect();
    const found = await client.query("SELECT FROM pg_database WHERE datname = $1", [databaseName]);
    if (found.rowCount === 0) {
      await client.query(`CREATE DATABASE ${client.escapeIdentifier(databaseName)}`);
    }
  } finally {
    await client.end();
  }
}
