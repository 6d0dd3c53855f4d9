// What the benches share, and who owns all that they start: everything is gone at the end, also where a
// signal makes it.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { applyMigrations } from "../src/database/migrate.ts";
import { startThrowAwayPostgres } from "../src/database/throw-away.ts";
import { startFactory, type FactoryServer } from "../test/support/factory.ts";
import { startGitServer, type GitServer } from "../test/support/git-server.ts";
import { environmentNames } from "../test/support/postgres.ts";

export interface World {
  /** Over smart HTTP. */
  readonly git: GitServer;
  /** Migrated; each server gets a copy of its own. */
  readonly databaseUrl: string;
  /** What Postgres itself writes down. */
  readonly postgresLog: string;
  /** For what else has to be somewhere. */
  readonly folder: string;
  readonly quick: boolean;
  /** A server to be disposed of by the bench; by the world at the latest. */
  readonly startServer: (env?: Readonly<Record<string, string>>) => Promise<FactoryServer>;
}

export async function withWorld<T>(quick: boolean, use: (world: World) => Promise<T>): Promise<T> {
  const owned = new AsyncDisposableStack();
  let ending: Promise<void> | undefined;
  const end = () => (ending ??= owned.disposeAsync());
  const endAtSignal = (signal: NodeJS.Signals) => {
    console.error(`${signal}: stopping`);
    void end().finally(() => process.exit(1));
  };
  process.once("SIGINT", endAtSignal).once("SIGTERM", endAtSignal);
  try {
    return await use(await makeWorld(owned, quick));
  } finally {
    await end();
  }
}

async function makeWorld(owned: AsyncDisposableStack, quick: boolean): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), "factory-bench-"));
  owned.defer(() => rm(folder, { recursive: true, force: true }));
  // As durable as a server's own: commits that don't reach the disk would flatter us.
  const postgres = await startThrowAwayPostgres({ durable: true });
  owned.defer(() => postgres.stop());
  await applyMigrations(postgres.url);
  // Where test/support/postgres.ts looks for what it copies.
  process.env[environmentNames.url] = postgres.url;
  const git = await startGitServer();
  owned.defer(() => git.stop());

  return {
    git,
    databaseUrl: postgres.url,
    postgresLog: postgres.logFile,
    folder,
    quick,
    async startServer(env = {}) {
      const server = own(await startFactory({ env }));
      owned.defer(() => server.dispose());
      return server;
    },
  };
}

/** The server, and those that follow it on its home and database, with one end for all of them. */
function own(first: FactoryServer): FactoryServer {
  let current = first;
  let disposing: Promise<void> | undefined;
  const wrap = (server: FactoryServer): FactoryServer => ({
    ...server,
    async restart(env) {
      current = await server.restart(env);
      return wrap(current);
    },
    dispose: () => (disposing ??= current.dispose()),
  });
  return wrap(first);
}
