// What a whole run of jest shares: one Postgres, with a database that is migrated once and copied per test file,
// and the monitor's static files.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { EmbeddedPostgres } from "../../src/database/embedded.ts";
import { applyMigrations } from "../../src/database/migrate.ts";
import { startThrowAwayPostgres } from "../../src/database/throw-away.ts";
import { environmentNames } from "./postgres.ts";

declare global {
  /** Jest gives its setup's globals to its teardown, and to no test. */
  var testPostgres: EmbeddedPostgres | undefined;
}

export default async function setUp(): Promise<void> {
  await Promise.all([buildMonitor(), startPostgres()]);
}

/** As `npm start` does it. */
async function buildMonitor(): Promise<void> {
  const program = join(import.meta.dirname, "..", "..", "build", "monitor.ts");
  await promisify(execFile)(process.execPath, [program, "--if-stale"]);
}

async function startPostgres(): Promise<void> {
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
