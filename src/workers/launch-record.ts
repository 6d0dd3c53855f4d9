// What the database holds of an attempt's start: a worker can write its session's folder, and nothing there is
// believed over this.
import { randomBytes } from "node:crypto";
import type { Prisma, WorkerSession } from "../generated/prisma/client.ts";
import type { Identity } from "../process/identity.ts";

export interface LaunchRecord {
  /** Which attempt's it is. */
  readonly nonce: string;
  /** By which its exit.json is known to be its shim's. */
  readonly exitKey: string;
  /** null: not told yet, or the server was killed in that moment. */
  readonly identity: Identity | null;
}

/** To be stored before the start. */
export function createLaunchRecord(nonce: string): LaunchRecord {
  return { nonce, exitKey: randomBytes(24).toString("base64url"), identity: null };
}

/** undefined: the attempt was not started yet, or by a version that recorded nothing. */
export function readLaunch(
  { launch }: Pick<WorkerSession, "launch">,
  nonce: string,
): LaunchRecord | undefined {
  // Written below alone, in this shape.
  const record = launch as unknown as LaunchRecord | null;
  return record?.nonce === nonce ? record : undefined;
}

/** For Prisma, whose type for JSON knows no interfaces. */
export function launchAsJson(record: LaunchRecord): Prisma.InputJsonObject {
  return record as unknown as Prisma.InputJsonObject;
}
