import { PrismaPg } from "@prisma/adapter-pg";
import pg from "pg";
import { PrismaClient } from "../generated/prisma/client.ts";
import { PoolClient } from "./pool-client.ts";

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
/** No statement takes so long: a connection that says nothing for this time is half open, and replaced. */
const silenceMs = 30_000;

export function connectDatabase(url: string, onError: (error: Error) => void): DatabaseConnection {
  const pool = new pg.Pool({
    Client: PoolClient,
    connectionString: url,
    max: poolConnections,
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: silenceMs,
    application_name: "factory",
  });
  // An idle connection that breaks is replaced at the next use; unheard, the event would end the process.
  pool.on("error", onError);
  const prisma = new PrismaClient({
    adapter: new PrismaPg(
      {
        Client: PoolClient,
        connectionString: url,
        max: prismaConnections,
        connectionTimeoutMillis: transactionWaitMs,
        query_timeout: silenceMs,
        application_name: "factory",
      },
      { onPoolError: onError },
    ),
    transactionOptions: { maxWait: transactionWaitMs, timeout: 20_000 },
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
