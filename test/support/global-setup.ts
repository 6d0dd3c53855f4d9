// One Postgres for a whole run of jest, with a database that is migrated once and copied per test file.
import type { EmbeddedPostgres } from "../../src/database/embedded.ts";
import { applyMigrations } from "../../src/database/migrate.ts";
import { startThrowAwayPostgres } from "../../src/database/throw-away.ts";
import { environmentNames } from "./postgres.ts";

declare global {
  /** Jest gives its setup's globals to its teardown, and to no test. */
  var testPostgres: EmbeddedPostgres | undefined;
}

export default async function setUp(): Promise<void> {
  try {
    const postgres = await startThrowAwayPostgres();
    globalThis.testPostgres = postgres;
    await applyMigrations(postgres.url);
    process.env[environmentNames.url] = postgres.url;
  } catch (error) {
    // Told by each test that asks for a database; the others don't suffer.
    process.env[environmentNames.error] = error instanceof Error ? error.message : String(error);
  }
}
