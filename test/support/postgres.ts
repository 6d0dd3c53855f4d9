import { randomUUID } from "node:crypto";
import pg from "pg";

/** How the workers of jest learn of the Postgres that global-setup.ts started. */
export const environmentNames = {
  url: "FACTORY_TEST_DATABASE_URL",
  error: "FACTORY_TEST_DATABASE_ERROR",
} as const;

export interface TestDatabase {
  readonly url: string;
  /** Also ends the connections that are still open. */
  drop(): Promise<void>;
}

/** A migrated database of the caller's own without any row, in some 30 ms. */
export function createDatabase(): Promise<TestDatabase> {
  return create(` TEMPLATE "${new URL(templateUrl()).pathname.slice(1)}"`);
}

/** A database without any table. */
export function createEmptyDatabase(): Promise<TestDatabase> {
  return create("");
}

async function create(from: string): Promise<TestDatabase> {
  const url = new URL(templateUrl());
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  url.pathname = name;
  await administer(`CREATE DATABASE "${name}"${from}`);
  return {
    url: url.href,
    drop: () => administer(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`),
  };
}

/** Nobody connects to the template: a connection would keep it from being copied. */
function templateUrl(): string {
  const url = process.env[environmentNames.url];
  if (url !== undefined) return url;
  const reason =
    process.env[environmentNames.error] ?? "jest ran without test/support/global-setup.ts";
  throw new Error(`There is no Postgres for this test: ${reason}`);
}

async function administer(statement: string): Promise<void> {
  const url = new URL(templateUrl());
  url.pathname = "postgres";
  const client = new pg.Client({ connectionString: url.href, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
