import pg from "pg";

/**
 * A connection of a pool, whose loss is always heard. pg-pool takes its listener off a client that it hands out,
 * and whoever asked with a promise adds one a moment later: where Postgres ends the connection in the same packet
 * that lets it begin, or that ends another's query, its "error" in between would end the process. Queries on the
 * client are rejected, which is how its user learns of it.
 */
export class PoolClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    this.on("error", () => undefined);
  }
}
