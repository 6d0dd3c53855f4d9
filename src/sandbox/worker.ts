// All that locks one worker in, in one call: its user, its folders, its way to the network, and the command.
import { chmod, chown, lstat, mkdir } from "node:fs/promises";
import path from "node:path";
import { execa } from "execa";
import { hostFailure } from "../process/host-failure.ts";
import type { ProgramPaths, SandboxedCommand, SandboxUser } from "./compose.ts";
import { apiPort } from "./compose.ts";
import { createControlFolder } from "./control.ts";
import type { WorkerNetwork } from "./network/open.ts";
import { openWorkerNetwork } from "./network/open.ts";
import type { NetworkPolicy } from "./network/policy.ts";
import type { Refusal } from "./network/refusals.ts";
import type { Resolve } from "./network/resolver.ts";
import type { Sandbox } from "./sandbox.ts";
import { userOf } from "./users.ts";

/** Where a worker reaches Factory's API: its FACTORY_URL, and what its MCP client is told. */
export const apiUrlInside = `http://127.0.0.1:${String(apiPort)}`;

export interface WorkerNetworkPlace {
  /** Unique to the worktree: by it the worker's user is known where the server is root. */
  readonly worktreeId: string;
  /** A folder of the session's that the worker itself can't write, short, and open to be passed through. */
  readonly control: string;
  readonly policy: NetworkPolicy;
  /** Called once for each host and port that the worker was refused. */
  readonly onRefused: (refusal: Refusal) => void;
  readonly resolve: Resolve;
  /** Where this server's API listens. */
  readonly api: { readonly host: string; readonly port: number };
}

export interface LockInOptions extends WorkerNetworkPlace {
  readonly command: readonly string[];
  /** The worker's whole environment. HOME and TMPDIR are folders of `writable`. */
  readonly environment: Readonly<Record<string, string>> & { readonly HOME: string };
  readonly directory: string;
  /** Folders that become the worker's own: the worktree, its repository, HOME, TMPDIR. Made where they are missing. */
  readonly writable: readonly string[];
  readonly readable: readonly string[];
  readonly programs: ProgramPaths;
  readonly maxProcesses?: number | undefined;
}

export interface LockedIn extends SandboxedCommand {
  /** To be closed when the worker has ended. */
  readonly network: WorkerNetwork;
}

/**
 * Proves the sandbox for workers of this kind, prepares all that the worker needs, and opens its network. When this
 * rejects, nothing is left open.
 * @throws FactoryError SANDBOX_UNAVAILABLE, HOST_FAILURE, INTERNAL
 */
export async function lockIn(sandbox: Sandbox, options: LockInOptions): Promise<LockedIn> {
  const { programs, readable, writable, control, command, directory, maxProcesses } = options;
  await sandbox.prove({ programs, readable });
  const user = await userOf(options.worktreeId);
  for (const folder of writable) await giveTo(folder, user);
  await createControlFolder({ folder: control, user, home: options.environment.HOME });
  const network = await openNetworkOf(options);
  try {
    const composed = await sandbox.compose({
      command,
      environment: { ...options.environment, FACTORY_URL: apiUrlInside },
      directory,
      writable,
      readable,
      programs,
      control,
      hasNetwork: true,
      user,
      maxProcesses,
    });
    return { ...composed, network };
  } catch (error) {
    await network.close();
    throw error;
  }
}

/**
 * Opens the network of a worker that runs on from before this server's start: what it connects to from now on is let
 * through again.
 * @throws FactoryError HOST_FAILURE
 */
export async function openNetworkOf(place: WorkerNetworkPlace): Promise<WorkerNetwork> {
  const user = await userOf(place.worktreeId);
  return openWorkerNetwork({ ...place, folder: place.control, user });
}

/** Makes the folder the user's own, with all in it, and nobody else's. Links in it are not followed. */
async function giveTo(folder: string, user: SandboxUser | undefined): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if (user === undefined) return;
    const { uid, gid } = await lstat(folder);
    if (uid === user.uid && gid === user.gid) return;
    // From the folder on, whatever was in it before: a follow-up of the same worktree has the same user.
    await execa("chown", ["-RhP", "--", `${String(user.uid)}:${String(user.gid)}`, folder], {
      stdin: "ignore",
      stdout: "ignore",
      maxBuffer: 10_000,
      timeout: chownTimeoutMs,
    });
    await chown(folder, user.uid, user.gid);
    await chmod(folder, 0o700);
  } catch (error) {
    throw hostFailure(error, `give ${path.basename(folder)} (${folder}) to the worker's user`);
  }
}

/** A tree of a million files takes some 10 s. */
const chownTimeoutMs = 300_000;
