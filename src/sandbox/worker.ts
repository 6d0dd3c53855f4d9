// All that locks one worker in, in one call: its user, its folders, its way to the network, and the command.
import { mkdir } from "node:fs/promises";
import { execa } from "execa";
import { hostFailure } from "../process/host-failure.ts";
import type { SandboxedCommand, SandboxUser } from "./compose.ts";
import { apiPort, proxyPort } from "./compose.ts";
import { createControlFolder } from "./control.ts";
import type { ApiPlace, WorkerNetwork } from "./network/open.ts";
import type { NetworkProcess } from "./network/process/client.ts";
import type { NetworkPolicy } from "./network/policy.ts";
import type { Serve } from "./network/proxy.ts";
import type { Refusal } from "./network/refusals.ts";
import type { Sandbox, SandboxKind } from "./sandbox.ts";
import { userOf } from "./users.ts";

/** Where a worker reaches Factory's API if that is handed on: its FACTORY_URL, and what its MCP client is told. */
export const apiUrlInside = `http://127.0.0.1:${String(apiPort)}`;

/** Where a worker reaches what answers in its proxy itself. */
export const proxyUrlInside = `http://127.0.0.1:${String(proxyPort)}`;

export interface WorkerNetworkPlace {
  /** Unique to the worktree: by it the worker's user is known where the server is root. */
  readonly worktreeId: string;
  /** A folder of the session's that the worker itself can't write, short, and open to be passed through. */
  readonly control: string;
  readonly policy: NetworkPolicy;
  /** Called once for each host and port that the worker was refused. */
  readonly onRefused: (refusal: Refusal) => void;
  /** Where Factory's API listens, in plain HTTP; undefined: workers reach it by the proxy. */
  readonly api: ApiPlace | undefined;
  /** Answers requests to the proxy itself. */
  readonly serve: Serve | undefined;
  /** A file that is there once the worker has ended. */
  readonly endFile: string;
  readonly networks: NetworkProcess;
}

export interface LockInOptions extends WorkerNetworkPlace {
  readonly command: readonly string[];
  /** The worker's whole environment. HOME and TMPDIR are folders of `writable`. */
  readonly environment: Readonly<Record<string, string>> & { readonly HOME: string };
  readonly directory: string;
  /** Folders that become the worker's own: the worktree, its repository, HOME, TMPDIR. Made where they are missing. */
  readonly writable: readonly string[];
  /** Files that the worker's own programs open by their path, such as /dev/stdout. */
  readonly own: readonly string[];
  /** What all workers of this kind are shown. */
  readonly kind: SandboxKind;
  /** What this worker is shown beside it. */
  readonly readable: readonly string[];
  readonly maxProcesses?: number | undefined;
  /** What git reads in /etc/gitconfig. */
  readonly gitConfiguration: string;
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
  const { kind, writable, control, command, directory, maxProcesses } = options;
  await sandbox.prove(kind);
  const user = await userOf(options.worktreeId);
  await makeFolders(writable);
  await createControlFolder({
    folder: control,
    user,
    home: options.environment.HOME,
    gitConfiguration: options.gitConfiguration,
  });
  const description = {
    command,
    environment: options.environment,
    directory,
    writable,
    readable: [...kind.readable, ...options.readable],
    programs: kind.programs,
    control,
    hasNetwork: true,
    user,
    maxProcesses,
  };
  // Each takes some milliseconds of its own, and the agent waits.
  const opening = openNetworkOf(options);
  const others = [
    sandbox.compose(description),
    giveTo(user, [...writable, ...options.own]),
  ] as const;
  try {
    const [network, composed] = await Promise.all([opening, ...others]);
    return { ...composed, network };
  } catch (error) {
    const [network] = await Promise.allSettled([opening, ...others]);
    if (network.status === "fulfilled") await network.value.close();
    throw error;
  }
}

/**
 * Opens the network of a worker, also of one that runs on from before this server's start: what it has open stays so.
 * @throws FactoryError HOST_FAILURE
 */
export async function openNetworkOf(place: WorkerNetworkPlace): Promise<WorkerNetwork> {
  const user = await userOf(place.worktreeId);
  return place.networks.open({ ...place, folder: place.control, user });
}

async function makeFolders(folders: readonly string[]): Promise<void> {
  try {
    for (const folder of folders) await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw hostFailure(error, `make ${folders.join(", ")} for the worker`);
  }
}

/**
 * Makes files and folders the user's own, with all that is in them, and nobody else's. Links are not followed. Each
 * time, as the server writes there too between two sessions.
 */
async function giveTo(user: SandboxUser | undefined, files: readonly string[]): Promise<void> {
  if (user === undefined) return;
  const owner = `${String(user.uid)}:${String(user.gid)}`;
  try {
    await execa("chown", ["-RhP", "--", owner, ...files], {
      stdin: "ignore",
      stdout: "ignore",
      maxBuffer: 10_000,
      timeout: chownTimeoutMs,
    });
  } catch (error) {
    throw hostFailure(error, `give ${files.join(", ")} to the worker's user`);
  }
}

/** A tree of a million files takes some 10 s. */
const chownTimeoutMs = 300_000;
