import { Prisma } from "../generated/prisma/client.ts";

/** A row with the same unique values is there already: somebody else was first. */
export function isUniqueViolation(error: unknown): boolean {
  return error instanceof Prisma.PrismaClientKnownRequestError && error.code === "P2002";
}

const outageCodes = new Set([
  // Prisma: unreachable, timed out, closed, no connection from the pool, no transaction in time, too many.
  "P1001",
  "P1002",
  "P1008",
  "P1017",
  "P2024",
  "P2028",
  "P2037",
  // PostgreSQL's class 57: shut down, crashed, starting; class 08 by its prefix below.
  "57P01",
  "57P02",
  "57P03",
  // Too many connections; a database that takes none at the moment.
  "53300",
  "55000",
  // A full disk, no memory left, a standby after a failover; a conflict with another transaction, a deadlock:
  // the transaction left nothing behind, and the next one may well succeed.
  "53100",
  "53200",
  "25006",
  "40001",
  "40P01",
  // Took too long (see client.ts): a statement, a pause in a transaction, a transaction, the wait for a lock.
  "57014",
  "25P03",
  "25P04",
  "55P03",
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  // What Prisma's driver adapter calls a lost connection, where the statement was raw SQL.
  "DatabaseNotReachable",
  "ConnectionClosed",
  "SocketTimeout",
  "TooManyConnections",
]);

export const outageMessage =
  "the database can't be reached, or can't take this, at the moment: try again";

/** Whether the database could not do at the moment what it was asked, rather than refused it for good. */
export function isOutage(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const codes = codesOf(error);
  if (codes.some((code) => outageCodes.has(code) || code.startsWith("08"))) return true;
  // The embedded database's socket is missing while it is down. Prisma keeps only the words of that.
  if (error.message.includes("connect ENOENT ")) return true;
  // node-postgres gives these no code.
  return /connection terminated|not queryable|query read timeout|timeout exceeded when trying/i.test(
    error.message,
  );
}

/** Its own code, and those of the driver's error that Prisma keeps below it (P2010, P2039). */
function codesOf(error: Error): string[] {
  const isPrismas = error instanceof Prisma.PrismaClientKnownRequestError;
  const driver = isPrismas ? error.meta?.["driverAdapterError"] : error;
  const cause = driver instanceof Error ? driver.cause : undefined;
  const facts: object[] = [error];
  if (typeof cause === "object" && cause !== null) facts.push(cause);
  return facts.flatMap((fact) => {
    const found = fact as { code?: unknown; kind?: unknown; originalCode?: unknown };
    return [found.code, found.kind, found.originalCode].filter((code) => typeof code === "string");
  });
}
