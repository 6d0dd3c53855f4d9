// Which user a worker runs as where the server is root. As root itself it could read what only root may, capabilities
// or not.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { SandboxUser } from "./compose.ts";

/** No distribution gives these out. Source: systemd, "Users, Groups, UIDs and GIDs on systemd Systems". */
const first = 1_900_000_000;
const count = 2 ** 20;

/** In a container that maps root alone. */
export class NoFreeUserError extends Error {
  override readonly name = "NoFreeUserError";

  constructor() {
    super("there is no user but root for workers to run as");
  }
}

/**
 * The user of a worktree's workers, the same at each call, so that a follow-up may write what the worker before it
 * has written. In a container that has no such ids it is of the highest that it has.
 * @returns undefined where this server isn't root: its workers run as it does
 * @throws NoFreeUserError
 */
export async function userOf(worktreeId: string): Promise<SandboxUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const hash = createHash("sha256").update(worktreeId).digest().readUInt32BE();
  const highest = highestId(await readFile("/proc/self/uid_map", "utf8"));
  if (highest < lowestFree) throw new NoFreeUserError();
  const id =
    highest >= first + count
      ? first + (hash % count)
      : highest - (hash % Math.min(count, highest - lowestFree + 1));
  return { uid: id, gid: id };
}

/** Below it are the system's own users. */
const lowestFree = 1000;

/** Source: user_namespaces(7), "User and group ID mappings". */
function highestId(map: string): number {
  const ends = map
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [inside, , length] = line.trim().split(/\s+/).map(Number);
      return (inside ?? 0) + (length ?? 0) - 1;
    });
  return Math.max(...ends);
}
