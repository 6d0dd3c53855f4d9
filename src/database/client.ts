import pg from "pg";
import { PrismaClient } from "../generated/prisma/client.ts";
import { PoolClient } from "./pool-client.ts";
import { StorablePrismaPg } from "./prisma-adapter.ts";

export type { PrismaClient };
export type Pool = pg.Pool;
/** What queries need, inside a transaction or outside of one. */
export type Database = Omit<
  PrismaClient,
  "$connect" | "$disconnect" | "$on" | "$use" | "$extends" | "$transaction"
>;

export interface DatabaseConnection {
  readonly url: string;
  readonly prisma: PrismaClient;
  /** For what is hot or Postgres's own: events, notices, live queue positions. */
  readonly pool: pg.Pool;
  close(): Promise<void>;
}

/** How many connections one server opens: Prisma's and the pool's, beside the queue's and the listener's. */
const prismaConnections = 10;
const poolConnections = 6;
/** A connection that can't be had within this time is an outage, told as such. */
const connectTimeoutMs = 5_000;
/** Transactions also wait so long for those before them: fifty at once on a busy host take a while. */
const transactionWaitMs = 10_000;
/** Postgres ends a statement, a transaction and a pause in one that take longer. */
const longestTransactionMs = 20_000;
/** No statement takes so long: a connection that says nothing for this time is half open, and replaced. */
const silenceMs = 30_000;
/** The most that a timer takes. */
const neverMs = 2 ** 31 - 1;

export function connectDatabase(
  url: string,
  onError: (error: Error) => void,
  longestMs = longestTransactionMs,
): DatabaseConnection {
  const shared = {
    Client: PoolClient,
    connectionString: url,
    query_timeout: silenceMs,
    application_name: "factory",
    // pg-pool waits for it, which its types don't say.
    onConnect: (client: pg.ClientBase) => limitTime(client, longestMs),
  };
  const pool = new pg.Pool({
    ...shared,
    max: poolConnections,
    connectionTimeoutMillis: connectTimeoutMs,
  });
  // An idle connection that breaks is replaced at the next use; unheard, the event would end the process.
  pool.on("error", onError);
  const prisma = new PrismaClient({
    adapter: new StorablePrismaPg(
      { ...shared, max: prismaConnections, connectionTimeoutMillis: transactionWaitMs },
      { onPoolError: onError },
    ),
    // Prisma's own clock rolls back and frees the connection in the middle of an operation of several statements,
    // and sends the rest outside of the transaction, where it stays. Postgres's takes all of it back.
    transactionOptions: { maxWait: transactionWaitMs, timeout: neverMs },
  });
  return {
    url,
    prisma,
    pool,
    async close() {
      await prisma.$disconnect();
      await pool.end();
    },
  };
}

/**
 * Once for each connection, not with the start of it: a pooler of sessions passes no settings on there. Before
 * Postgres 17 there is no `transaction_timeout`: each statement and each pause of a transaction is limited alone.
 */
async function limitTime(client: pg.ClientBase, milliseconds: number): Promise<void> {
  await client.query(
    `SELECT set_config(name, $1, false)
     FROM unnest(ARRAY['statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout']) AS name
     WHERE current_setting(name, true) IS NOT NULL`,
    [String(milliseconds)],
  );
}
