import { afterAll, beforeAll, expect, test } from "@jest/globals";
import pg from "pg";
import { checkSessions } from "../../../src/database/check-sessions.ts";
import { createDatabase, type TestDatabase } from "../../support/postgres.ts";
import { startPostgresProxy } from "../../support/postgres-proxy.ts";
import { startTransactionPooler } from "../../support/transaction-pooler.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});

afterAll(() => database.drop());

test("Postgres itself and a proxy of whole connections are fine", async () => {
  await checkSessions(database.url);
  const proxy = await startPostgresProxy(database.url);
  await checkSessions(proxy.url);
  await proxy.close();
});

test.each([
  { sessions: 2, next: "last" },
  { sessions: 2, next: "first" },
  { sessions: 8, next: "last" },
  { sessions: 8, next: "first" },
] as const)(
  "a pooler of transactions with $sessions sessions that gives out the $next is refused",
  async (how) => {
    const pooler = await startTransactionPooler(database.url, how);
    const checking = checkSessions(pooler.url);
    await expect(checking).rejects.toThrow(
      /^DATABASE_URL leads through a pooler .* pool_mode = session/,
    );
    await pooler.close();
  },
);

test("a Postgres that only reads is refused", async () => {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const name = client.escapeIdentifier(new URL(database.url).pathname.slice(1));
  await client.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
  await expect(checkSessions(database.url)).rejects.toThrow(
    "DATABASE_URL leads to a Postgres that only reads",
  );
  await client.end();
});

test("a certificate that isn't there is a refusal in a sentence", async () => {
  const url = new URL(database.url);
  url.searchParams.set("sslmode", "verify-full");
  url.searchParams.set("sslrootcert", "/nowhere/ca.pem");
  await expect(checkSessions(url.href)).rejects.toThrow(
    /can't be opened: .*ENOENT.*\/nowhere\/ca.pem.*check DATABASE_URL/,
  );
});
