import { randomUUID } from "node:crypto";
import type {
  SqlDriverAdapter,
  SqlMigrationAwareDriverAdapterFactory,
} from "@prisma/driver-adapter-utils";
import pg from "pg";
import { PoolClient } from "../pool-client.ts";
import { connectAdapter } from "./adapter.ts";
import { withClient } from "./client.ts";
import { recordFinish } from "./history.ts";

/** The engine's way to the database; closes what it opened, in the order in which that works. */
export class EngineConnections implements SqlMigrationAwareDriverAdapterFactory {
  readonly provider = "postgres";
  readonly adapterName = "@prisma/adapter-pg";
  readonly #url: string;
  readonly #pools: pg.Pool[] = [];
  readonly #shadows: string[] = [];

  constructor(url: string) {
    this.#url = url;
  }

  connect(): Promise<SqlDriverAdapter> {
    return this.#open(this.#url, recordFinish);
  }

  /** An empty database, in which the engine finds out what the migrations come to. Needs CREATEDB. */
  async connectToShadowDb(): Promise<SqlDriverAdapter> {
    const name = `factory_shadow_${randomUUID()}`;
    await withClient(this.#url, (client) => client.query(`CREATE DATABASE "${name}"`));
    this.#shadows.push(name);
    const url = new URL(this.#url);
    url.pathname = name;
    return this.#open(url.href);
  }

  /** Also drops the shadow databases; the adapter's own way tries that while its pool is still connected. */
  async close(): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.end()));
    for (const name of this.#shadows) {
      await withClient(this.#url, (client) => client.query(`DROP DATABASE IF EXISTS "${name}"`));
    }
  }

  #open(url: string, scriptEnd?: string): Promise<SqlDriverAdapter> {
    const pool = new pg.Pool({
      Client: PoolClient,
      connectionString: url,
      // The engine's lock and its statements belong to one session.
      max: 1,
      connectionTimeoutMillis: 10_000,
      application_name: "factory migrations",
    });
    this.#pools.push(pool);
    // A connection that breaks fails the statement in hand; unheard, the event would end the process.
    pool.on("error", () => undefined);
    return connectAdapter(pool, scriptEnd);
  }
}
