import { Prisma } from "../generated/prisma/client.ts";

/** A row with the same unique values is there already: somebody else was first. */
export function isUniqueViolation(error: unknown): boolean {
  return error instanceof Prisma.PrismaClientKnownRequestError && error.code === "P2002";
}

const outageCodes = new Set([
  // Prisma: unreachable, timed out, closed, no connection from the pool, no transaction in time.
  "P1001",
  "P1002",
  "P1008",
  "P1017",
  "P2024",
  "P2028",
  // PostgreSQL's class 57: shut down, crashed, starting; class 08 by its prefix below.
  "57P01",
  "57P02",
  "57P03",
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
]);

/** Whether the database could not be reached, rather than refused what it was asked. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (outageCodes.has(code) || code.startsWith("08")) return true;
  // The embedded database's socket is missing while it is down.
  if (code === "ENOENT" && "syscall" in error && error.syscall === "connect") return true;
  // node-postgres gives these no code.
  return /connection terminated|timeout exceeded when trying to connect/i.test(error.message);
}
