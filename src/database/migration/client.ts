import pg from "pg";

const connectTimeoutMs = 10_000;

/** Runs `use` with a connection of its own, and closes it. */
export async function withClient<T>(
  url: string,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: connectTimeoutMs,
    application_name: "factory migrations",
  });
  // A connection that breaks fails the statement in hand; unheard, the event would end the process.
  client.on("error", () => undefined);
  try {
    await client.connect();
    return await use(client);
  } finally {
    await client.end();
  }
}
