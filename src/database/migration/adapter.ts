import { PrismaPg } from "@prisma/adapter-pg";
import { ColumnTypeEnum, type SqlDriverAdapter, type SqlQuery } from "@prisma/driver-adapter-utils";
import type pg from "pg";

// Object ids of Postgres's types: "char" (one byte, in its system tables) and an array of it.
// https://github.com/postgres/postgres/blob/REL_18_STABLE/src/include/catalog/pg_type.dat
const char = 18;
const charArray = 1002;

/**
 * @prisma/adapter-pg with what migrations need and version 7.10 lacks.
 * @param scriptEnd SQL that becomes the last statement of every script, and so of its transaction.
 */
export async function connectAdapter(pool: pg.Pool, scriptEnd = ""): Promise<SqlDriverAdapter> {
  // Of the method's overloads, the one that the adapter calls.
  const query = pool.query.bind(pool) as (
    config: pg.QueryConfig,
  ) => Promise<pg.QueryResult | pg.QueryResult[]>;
  Object.assign(pool, {
    // The adapter refuses columns of the type "char", which the engine reads when it describes a database.
    // They pass as arrays, which it knows and the engine never asks for, and are put right below.
    async query(config: pg.QueryConfig) {
      const result = await query(config);
      // A script of several statements has as many results, which nobody reads.
      for (const field of Array.isArray(result) ? [] : result.fields) {
        if (field.dataTypeID === char) field.dataTypeID = charArray;
      }
      return result;
    },
  });
  const adapter = await new PrismaPg(pool).connect();
  const queryRaw = adapter.queryRaw.bind(adapter);
  return Object.assign(adapter, {
    async queryRaw(query: SqlQuery) {
      const result = await queryRaw(query);
      const columnTypes = result.columnTypes.map((type) =>
        type === ColumnTypeEnum.CharacterArray ? ColumnTypeEnum.Character : type,
      );
      return { ...result, columnTypes };
    },
    // The adapter's own splits at every semicolon, also inside a function's body. In one piece and without
    // parameters, Postgres also takes all statements as one transaction.
    // https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
    async executeScript(script: string) {
      // A script may end with a comment, or without a semicolon.
      const sql = scriptEnd === "" ? script : `${script}\n;\n${scriptEnd}`;
      await adapter.executeRaw({ sql, args: [], argTypes: [] });
    },
  });
}
