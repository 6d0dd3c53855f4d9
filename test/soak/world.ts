// The server that comes and goes, and what the run knows of it.
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { startFactory, type FactoryServer, type Variables } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { createDatabase, type TestDatabase } from "../support/postgres.ts";

export const parentSession = "soak";
export const repositories = ["one", "two", "three"].map((name) => ({ owner: "acme", name }));

export interface Session {
  /** Its global id. */
  readonly id: string;
  readonly name: string;
  /** What its processes carry. */
  readonly nonce: string;
  readonly repository: { readonly owner: string; readonly name: string };
}

export interface Reply<Data> {
  readonly data: Data | undefined;
  readonly codes: readonly string[];
}

export interface World {
  readonly git: GitServer;
  readonly home: string;
  readonly sessions: Session[];
  /** What must not have been, a line each. */
  readonly violations: string[];
  /** Lines of the servers' logs that tell of a bug. */
  errors(): string[];
  /** Waits until one runs. */
  up(): Promise<FactoryServer>;
  /** Lets the server go, and starts the next one. */
  replace(end: (server: FactoryServer) => Promise<unknown>): Promise<void>;
  /** undefined: nobody answered, and it may have happened or not. */
  ask<Data>(document: string, variables: Variables): Promise<Reply<Data> | undefined>;
  queryDatabase<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>;
  dispose(): Promise<void>;
}

/** Answers of an outage, which the caller is told to wait out. */
const outages = ["SERVICE_UNAVAILABLE"];
const mostStarts = 5;

export async function createWorld(): Promise<World> {
  const git = await startGitServer();
  for (const { owner, name } of repositories) await git.createRepository(owner, name);
  const database: TestDatabase = await createDatabase();
  const client = new pg.Pool({ connectionString: database.url, max: 2, application_name: "soak" });
  client.on("error", () => undefined);
  let server = await startFactory({
    database,
    git,
    env: {
      FACTORY_MAX_WORKERS: "6",
      FACTORY_KILL_GRACE: "1",
      FACTORY_SYNC_MAX_AGE: "2",
    },
  });
  const { home } = server;
  let running: Promise<FactoryServer> = Promise.resolve(server);
  const violations: string[] = [];
  const servers = [server];

  async function startNext(): Promise<FactoryServer> {
    for (let tries = 1; ; tries += 1) {
      try {
        server = await server.restart();
        servers.push(server);
        return server;
      } catch (error) {
        if (tries === mostStarts) throw error;
      }
    }
  }

  return {
    git,
    home,
    sessions: [],
    violations,
    errors: () => servers.flatMap(({ log }) => log.filter((line) => /"level":[56]0,/.test(line))),
    up: () => running,
    async replace(end) {
      const leaving = server;
      running = (async () => {
        await end(leaving);
        return startNext();
      })();
      await running;
    },
    async ask<Data>(document: string, variables: Variables): Promise<Reply<Data> | undefined> {
      const current = await running;
      try {
        const { data, errors = [] } = await current.send<Data>(document, variables);
        const codes = errors.map(({ extensions }) => extensions.code);
        if (codes.some((code) => outages.includes(code))) return undefined;
        return { data: errors.length > 0 ? undefined : data, codes };
      } catch {
        // Cut off by the server's end: that is what this run is about. The next one comes in a moment.
        await delay(50);
        return undefined;
      }
    },
    async queryDatabase<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []) {
      const { rows } = await client.query<Row>(sql, values);
      return rows;
    },
    async dispose() {
      await client.end();
      await server.dispose();
      await database.drop();
      await git.stop();
    },
  };
}
