// What a worker is to the host: its folder, and its processes.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { identitySchema, type Identity } from "../../src/process/identity.ts";
import { findLeftovers } from "../../src/process/terminate.ts";
import type { FactoryServer } from "./factory.ts";

/** What the processes of an attempt carry in their environment, and how its folder is named. */
export function nonceOf(workerId: string, attempt = 1): string {
  const [, id = ""] = Buffer.from(workerId, "base64").toString("utf8").split(":");
  return `${id}-${String(attempt)}`;
}

export function folderOf({ home }: FactoryServer, workerId: string, attempt = 1): string {
  return join(home, "sessions", nonceOf(workerId, attempt));
}

/** Who runs, as the shim has written it down. */
export async function identityOf(
  server: FactoryServer,
  workerId: string,
  attempt = 1,
): Promise<Identity> {
  const text = await readFile(join(folderOf(server, workerId, attempt), "identity.json"), "utf8");
  return identitySchema.parse(JSON.parse(text));
}

/** The process ids of all that lives of an attempt, its shim included. */
export async function processesOf(workerId: string, attempt = 1): Promise<number[]> {
  const found = await findLeftovers(nonceOf(workerId, attempt));
  return found.map(({ pid }) => pid).sort((one, other) => one - other);
}
