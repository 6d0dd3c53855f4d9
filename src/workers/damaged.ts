// A session's folder may not tell any more who runs in it: the disk lost it, or somebody changed it.
import { lstat } from "node:fs/promises";
import { FactoryError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { readExit, type ExitOutcome } from "../process/exit.ts";
import { codeOf } from "../process/host-failure.ts";
import { isGenuine, readIdentity, type Identity } from "../process/identity.ts";
import { terminateAll } from "../process/terminate.ts";
import type { LaunchRecord } from "./launch-record.ts";

/** Who runs in the folder; or why nobody can tell, fit to show to a person. */
export type Found =
  | { readonly identity: Identity }
  | { readonly damage: string; readonly recorded?: Identity | undefined };

/** Files are asked only for what the database doesn't hold: a server may have been killed before it could record it. */
export async function findAgent(
  folder: string,
  nonce: string,
  record: LaunchRecord | undefined,
): Promise<Found> {
  const recorded = record?.identity ?? undefined;
  if (!(await isFolder(folder))) return { damage: "its session folder is gone", recorded };
  if (recorded !== undefined) return { identity: recorded };
  try {
    const identity = await readIdentity(folder);
    if (identity === undefined) return { damage: "its identity.json is missing or cut off" };
    if (identity.nonce !== nonce) return { damage: "its identity.json is another session's" };
    if (!(await isGenuine(identity))) {
      return { damage: "its identity.json names processes that are not the worker's" };
    }
    const startedAt = Math.min(Date.parse(identity.startedAt), Date.now());
    return { identity: { ...identity, startedAt: new Date(startedAt).toISOString() } };
  } catch (error) {
    return { damage: tellDamage(error) };
  }
}

/** A link to a folder is none. */
async function isFolder(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return false;
    throw error;
  }
}

/**
 * Ends whatever still runs of the session: what was recorded of it, and what its nonce finds. How it ended before is
 * told where that is known.
 */
export async function endDamaged(
  { damage, recorded: identity }: Extract<Found, { damage: string }>,
  session: {
    readonly folder: string;
    readonly nonce: string;
    readonly exitKey: string | undefined;
    readonly killGraceMs: number;
  },
): Promise<ExitOutcome> {
  const { nonce, killGraceMs } = session;
  const before = await readExit(session).catch((error: unknown) => {
    tellDamage(error);
    return undefined;
  });
  const endedTick = before?.kind === "exited" ? before.endedTick : undefined;
  await terminateAll({ identity, nonce, graceMs: killGraceMs, endedTick });
  if (before?.kind === "exited") return before;
  return { kind: "lost", reason: `${damage}, so what became of it is unknown` };
}

/** What a folder's files hold can't be read: that ends the session, and no other. */
export async function orDamaged<T>(act: () => Promise<T>, logger: Logger): Promise<T | string> {
  try {
    return await act();
  } catch (error) {
    const damage = tellDamage(error);
    logger.error({ err: error }, "a session's folder is damaged");
    return damage;
  }
}

export function isDamage(error: unknown): error is FactoryError {
  return error instanceof FactoryError && error.code === "HOST_FAILURE";
}

/** @throws the error where it is another one than an unreadable file's. */
function tellDamage(error: unknown): string {
  if (isDamage(error)) return error.message;
  throw error;
}
