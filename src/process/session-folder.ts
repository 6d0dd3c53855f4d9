import { chmod, mkdir, open } from "node:fs/promises";
import path from "node:path";
import { hostFailure } from "./host-failure.ts";
import { removeTree, requireDeepPath } from "./remove-tree.ts";

/**
 * What lies in a session's folder (one folder per attempt). The folder is the only thing that the
 * server and a worker have in common, so either may be killed without the other noticing.
 */
export interface SessionPaths {
  /** Optional: what was said to the agent, in order; see `appendInput`. Without, it reads from /dev/null. */
  readonly input: string;
  /** Appended to by the agent, read by `tailOutput`. */
  readonly stdout: string;
  readonly stderr: string;
  /** Who runs; there before the agent's first instruction. */
  readonly identity: string;
  /** How it ended; there once the agent has ended. */
  readonly exit: string;
  /** The room reserved for `exit`, renamed to it at the end. */
  readonly partialExit: string;
  /** The worker's TMPDIR. */
  readonly temporary: string;
}

/** The paths inside a session's folder; touches nothing. */
export function sessionPaths(folder: string): SessionPaths {
  return {
    input: path.join(folder, "input"),
    stdout: path.join(folder, "stdout"),
    stderr: path.join(folder, "stderr"),
    identity: path.join(folder, "identity.json"),
    exit: path.join(folder, "exit.json"),
    partialExit: path.join(folder, "exit.json.partial"),
    temporary: path.join(folder, "tmp"),
  };
}

export interface CreateSessionFolderOptions {
  /** Absolute path; its parents are created too. */
  readonly folder: string;
  /** For an agent that is spoken to, see `appendInput`. Default false: it reads from /dev/null. */
  readonly hasInput?: boolean;
  /** For a worker of another user, who passes through to what is its own in there. Default false. */
  readonly isPassable?: boolean;
}

/**
 * Creates the folder for one attempt, readable by this user alone. Repeating it is harmless.
 *
 * Fails with HOST_FAILURE when the disk is full, the path not writable, or a name taken otherwise.
 */
export async function createSessionFolder(options: CreateSessionFolderOptions): Promise<void> {
  const { folder, hasInput = false, isPassable = false } = options;
  const paths = sessionPaths(requireDeepPath(folder));
  try {
    await mkdir(folder, { recursive: true });
    // The mode of mkdir would also be wrong where the folder was there before.
    await chmod(folder, isPassable ? 0o711 : 0o700);
    await mkdir(paths.temporary, { recursive: true, mode: 0o700 });
    const spoken = hasInput ? [paths.input] : [];
    for (const file of [paths.stdout, paths.stderr, ...spoken]) {
      await (await open(file, "a", 0o600)).close();
    }
  } catch (error) {
    throw hostFailure(error, `create the session folder ${folder}`);
  }
}

/**
 * Removes the folder with all that the worker left in it, as `removeTree` does. The caller has ended the worker before.
 */
export async function removeSessionFolder(folder: string, timeoutMs = 60_000): Promise<void> {
  await removeTree(folder, timeoutMs);
}
