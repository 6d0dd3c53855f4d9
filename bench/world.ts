// What the benches share: a git server over smart HTTP and a Postgres, both thrown away afterwards.
import type { EmbeddedPostgres } from "../src/database/embedded.ts";
import { applyMigrations } from "../src/database/migrate.ts";
import { startThrowAwayPostgres } from "../src/database/throw-away.ts";
import { startGitServer, type GitServer } from "../test/support/git-server.ts";
import { environmentNames } from "../test/support/postgres.ts";

export interface World {
  readonly git: GitServer;
  /** Migrated; each server gets a copy of its own. */
  readonly databaseUrl: string;
  readonly quick: boolean;
}

export async function withWorld<T>(quick: boolean, use: (world: World) => Promise<T>): Promise<T> {
  // As durable as a server's own: commits that don't reach the disk would flatter us.
  const postgres = await startThrowAwayPostgres({ durable: true });
  try {
    return await withMigrated(postgres, quick, use);
  } finally {
    await postgres.stop();
  }
}

async function withMigrated<T>(
  postgres: EmbeddedPostgres,
  quick: boolean,
  use: (world: World) => Promise<T>,
): Promise<T> {
  await applyMigrations(postgres.url);
  // Where test/support/postgres.ts looks for what it copies.
  process.env[environmentNames.url] = postgres.url;
  const git = await startGitServer();
  try {
    return await use({ git, databaseUrl: postgres.url, quick });
  } finally {
    await git.stop();
  }
}
