import pg from "pg";
import { toStorableValues } from "./storable.ts";

/**
 * A connection of a pool, whose loss is always heard. pg-pool takes its listener off a client that it hands out,
 * and whoever asked with a promise adds one a moment later: where Postgres ends the connection in the same packet
 * that lets it begin, or that ends another's query, its "error" in between would end the process. Queries on the
 * client are rejected, which is how its user learns of it.
 *
 * All statements of the server go through such a connection, and their values are made storable here.
 */
export class PoolClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    this.on("error", () => undefined);
    // Of the method's overloads, their common shape.
    const query = this.query.bind(this) as (...given: unknown[]) => unknown;
    this.query = ((statement: unknown, values: unknown, ...rest: unknown[]) => {
      if (typeof statement === "string" && Array.isArray(values)) {
        return query(statement, toStorableValues(statement, values), ...rest);
      }
      return query(toStorableStatement(statement), values, ...rest);
    }) as typeof this.query;
  }
}

/** The statement of an object that holds its values too; anything else as it is. */
function toStorableStatement(statement: unknown): unknown {
  // With a `submit` of its own it is a query already, such as a cursor.
  if (typeof statement !== "object" || statement === null || "submit" in statement)
    return statement;
  const { text, values } = statement as Partial<pg.QueryConfig<unknown[]>>;
  if (text === undefined || values === undefined) return statement;
  return { ...statement, values: toStorableValues(text, values) };
}
