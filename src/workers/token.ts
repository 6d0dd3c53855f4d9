import { createHash, randomBytes } from "node:crypto";

/** A worker's token: valid for its session alone, and only while that lasts. */
export function createWorkerToken(): { token: string; hash: string } {
  const token = `factory_worker_${randomBytes(24).toString("base64url")}`;
  return { token, hash: hashToken(token) };
}

/** Rows keep hashes: who reads the database can't speak as a worker. */
export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
