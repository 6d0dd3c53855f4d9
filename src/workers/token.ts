import { createHash, randomBytes } from "node:crypto";

/** All tokens begin with it. */
export const tokenPrefix = "factory_worker_";
const randomLength = 24;
/** Base64 has four characters for three bytes. */
const randomCharacters = (randomLength / 3) * 4;

/** What follows: so many of these. The server keeps no token that it could look for. */
export const tokenBody = {
  length: randomCharacters,
  characters: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-",
};

/** A worker's token: valid for its session alone, and only while that lasts. */
export function createWorkerToken(): { token: string; hash: string } {
  const token = tokenPrefix + randomBytes(randomLength).toString("base64url");
  return { token, hash: hashToken(token) };
}

/** Rows keep hashes: who reads the database can't speak as a worker. */
export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
