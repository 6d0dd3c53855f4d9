import { z } from "zod";
import { FactoryError } from "../errors.ts";
import { hostFailure } from "./host-failure.ts";
import { carriesNonce, readBootId, readLiveProcess } from "./proc.ts";
import { sessionPaths } from "./session-folder.ts";
import { readSmallFile } from "./small-file.ts";

/** 0 is every process of the caller's group for kill(2), and 1 is init: neither is ever a worker. */
const processNumber = z.int().min(2);
const processId = z.object({ pid: processNumber, startTime: z.int().nonnegative() });

/** What a nonce may look like: it stands in JSON and in environments unquoted. */
export const noncePattern = /^[A-Za-z0-9_-]{8,128}$/;

export const identitySchema = z.object({
  bootId: z.string().min(1),
  shim: processId,
  agent: processId.extend({ processGroup: processNumber }),
  /** Who hands on what is said to the agent; null: nothing is. */
  relay: processId.nullable().default(null),
  nonce: z.string().regex(noncePattern),
  startedAt: z.iso.datetime(),
});

/** Who runs in a session's folder, as told by the shim before the agent's first instruction. */
export interface Identity extends z.infer<typeof identitySchema> {
  /** Absolute path of the control group that the agent was started in; see cgroup.ts. */
  readonly cgroup?: string | undefined;
  /** Absolute paths of further ones that hold it to its caps; see caps.ts. */
  readonly capGroups?: readonly string[] | undefined;
}

/**
 * Reads identity.json. Undefined if there is none, or none yet: the shim creates it empty and fills
 * it with one write, so an empty file is one whose agent has not started (and won't, if its shim is
 * gone: it was killed in between, or the disk was full).
 *
 * Fails with HOST_FAILURE when the file is unreadable or something else than an identity.
 */
export async function readIdentity(folder: string): Promise<Identity | undefined> {
  const file = sessionPaths(folder).identity;
  let text;
  try {
    text = await readSmallFile(file);
  } catch (error) {
    throw hostFailure(error, `read ${file}`);
  }
  if (text?.endsWith("\n") !== true) {
    return undefined;
  }
  try {
    return identitySchema.parse(JSON.parse(text));
  } catch (error) {
    throw new FactoryError(
      "HOST_FAILURE",
      `${file} is damaged: end what still runs by its nonce, then start another attempt`,
      { cause: error },
    );
  }
}

/**
 * Whether the processes that a file names are the worker's, as far as they are alive. A worker can write the file, so
 * that nobody may be signalled by its word alone. An agent may have cleared its environment, but its shim hasn't.
 */
export async function isGenuine({ bootId, shim, agent, relay, nonce }: Identity): Promise<boolean> {
  // Of another start of the machine nobody is alive.
  if (bootId !== readBootId()) return true;
  const isShim = readLiveProcess(shim) !== undefined;
  if (isShim && !(await carriesNonce(shim.pid, nonce))) return false;
  for (const one of [agent, relay]) {
    const facts = one === null ? undefined : readLiveProcess(one);
    if (facts === undefined || (isShim && facts.parentPid === shim.pid)) continue;
    if (!(await carriesNonce(facts.pid, nonce))) return false;
  }
  return true;
}

/**
 * Whether the recorded process still runs: the same boot, the same pid with the same start time, and
 * no zombie. `role` is whom to ask about, the agent by default.
 */
export function isAlive(identity: Identity, role: "agent" | "shim" = "agent"): boolean {
  return identity.bootId === readBootId() && readLiveProcess(identity[role]) !== undefined;
}
