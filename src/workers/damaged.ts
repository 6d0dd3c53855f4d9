// A session's folder may not tell any more who runs in it: the disk lost it, or somebody changed it.
import { existsSync } from "node:fs";
import { FactoryError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { readExit, type ExitOutcome } from "../process/exit.ts";
import { readIdentity, type Identity } from "../process/identity.ts";
import { terminateAll } from "../process/terminate.ts";

/** Who runs in the folder; or why nobody can tell, fit to show to a person. */
export type Found = { readonly identity: Identity } | { readonly damage: string };

export async function findAgent(folder: string, nonce: string): Promise<Found> {
  if (!existsSync(folder)) return { damage: "its session folder is gone" };
  try {
    const identity = await readIdentity(folder);
    if (identity === undefined) return { damage: "its identity.json is missing or cut off" };
    if (identity.nonce !== nonce) return { damage: "its identity.json is another session's" };
    return { identity };
  } catch (error) {
    return { damage: tellDamage(error) };
  }
}

/** Ends whatever still runs of the session, which its nonce finds. How it ended before is told where that is known. */
export async function endDamaged(
  damage: string,
  session: { readonly folder: string; readonly nonce: string; readonly killGraceMs: number },
): Promise<ExitOutcome> {
  const { folder, nonce, killGraceMs } = session;
  const before = await readExit(folder).catch((error: unknown) => {
    tellDamage(error);
    return undefined;
  });
  const endedTick = before?.kind === "exited" ? before.endedTick : undefined;
  await terminateAll({ identity: undefined, nonce, graceMs: killGraceMs, endedTick });
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
