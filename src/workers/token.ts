import { createHash, randomBytes } from "node:crypto";

const prefix = "factory_worker_";
const randomLength = 24;
/** Base64 has four characters for three bytes. */
const randomCharacters = (randomLength / 3) * 4;

/** The source of a regular expression that finds tokens: the server keeps none that it could look for. */
export const tokenSource = `${prefix}[\\w-]{${String(randomCharacters)}}`;
export const tokenLength = prefix.length + randomCharacters;

/** Whether a token may begin with this text, which isn't a whole one yet. */
export function mayBeginToken(text: string): boolean {
  if (text.length >= tokenLength) return false;
  return text.length <= prefix.length
    ? prefix.startsWith(text)
    : text.startsWith(prefix) && /^[\w-]*$/.test(text);
}

/** A worker's token: valid for its session alone, and only while that lasts. */
export function createWorkerToken(): { token: string; hash: string } {
  const token = prefix + randomBytes(randomLength).toString("base64url");
  return { token, hash: hashToken(token) };
}

/** Rows keep hashes: who reads the database can't speak as a worker. */
export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
