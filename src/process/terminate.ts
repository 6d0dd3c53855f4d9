import { groupsOf } from "./caps.ts";
import { killCgroup, removeCgroup } from "./cgroup.ts";
import { codeOf } from "./host-failure.ts";
import type { SessionScope } from "./members.ts";
import { findMembers } from "./members.ts";
import type { ProcessFacts, ProcessId } from "./proc.ts";
import { isNamespaceInit, readBootId, readLiveProcess } from "./proc.ts";
import { createWake } from "../wake.ts";

export interface TerminateOptions extends SessionScope {
  /** Milliseconds between SIGTERM and SIGKILL; with 0 there is no SIGTERM. */
  readonly graceMs: number;
  /** Ends the waiting and signals nobody any more; who is left stands in the report. */
  readonly signal?: AbortSignal;
}

export interface TerminateReport {
  /** Who was sent what, in order. */
  readonly signalled: readonly SignalledProcess[];
  /** Whether anyone had to be killed. */
  readonly forced: boolean;
  /** Who is still there: not ours to signal, stuck in the kernel, or forking faster than we kill. */
  readonly remaining: readonly ProcessId[];
}

export interface SignalledProcess extends ProcessId {
  readonly signals: readonly NodeJS.Signals[];
}

/** No event tells of the end of a process that isn't our child, so this is how often we look. */
const lookEveryMs = 20;
/** How often to look for processes that were started meanwhile. */
const searchEveryMs = 500;
/** SIGKILL takes effect in milliseconds, unless a process hangs in the kernel. */
const killWithinMs = 5000;

/**
 * Ends every process of a session but its shim, which stays to write down how the agent ended:
 * SIGTERM to all (SIGCONT after it to those that are stopped), SIGKILL to who is left after the
 * grace period, again until none is found, for 5 s at most. What holds a sandbox is spared in the
 * first round, so that the agent inside gets the signal. Each is identified anew right before each
 * signal. After a restart of the machine nobody is signalled.
 *
 * Use it to end a worker, and after an agent's own end for what it left behind (with `endedTick`).
 */
export async function terminateAll(options: TerminateOptions): Promise<TerminateReport> {
  const { identity, nonce, graceMs, signal, endedTick } = options;
  if (identity !== undefined && identity.bootId !== readBootId()) {
    return { signalled: [], forced: false, remaining: [] };
  }
  const groups = await groupsOf(nonce, identity);
  const sent = new Map<string, ProcessId & { signals: NodeJS.Signals[] }>();
  const send = (target: ProcessFacts, name: NodeJS.Signals) => {
    if (sendSignal(target, name)) {
      const key = `${target.pid}:${target.startTime}`;
      const record = sent.get(key) ?? { pid: target.pid, startTime: target.startTime, signals: [] };
      record.signals.push(name);
      sent.set(key, record);
    }
  };
  const wasAsked = (target: ProcessId) => sent.has(`${target.pid}:${target.startTime}`);

  let members = await findAll(options);
  const graceEnd = performance.now() + graceMs;
  while (members.length > 0 && performance.now() < graceEnd && signal?.aborted !== true) {
    const sandbox = findSandbox(options, members);
    for (const member of members.filter((each) => each.pid !== sandbox && !wasAsked(each))) {
      send(member, "SIGTERM");
      if (member.state === "T") {
        send(member, "SIGCONT");
      }
    }
    await waitUntilEnded(members, Math.min(graceEnd, performance.now() + searchEveryMs), signal);
    members = await findAll(options, members);
  }
  const killEnd = performance.now() + killWithinMs;
  const forced = members.length > 0 && signal?.aborted !== true;
  while (members.length > 0 && performance.now() < killEnd && signal?.aborted !== true) {
    for (const member of members) {
      send(member, "SIGKILL");
    }
    // At once, and what is being forked too.
    for (const group of groups) await killCgroup(group);
    await waitUntilEnded(members, Math.min(killEnd, performance.now() + searchEveryMs), signal);
    members = await findAll(options, members);
  }
  if (members.length === 0) {
    // It has written down what it had to.
    if (identity !== undefined && endedTick !== undefined) sendSignal(identity.shim, "SIGKILL");
    for (const group of groups) await removeCgroup(group);
  }
  return {
    signalled: [...sent.values()],
    forced,
    remaining: members.map(({ pid, startTime }) => ({ pid, startTime })),
  };
}

/**
 * `findMembers`, and once more where it finds none: what was started after the folder of processes was read, by one
 * that had ended before its turn to be looked at came, is in no single look.
 */
async function findAll(
  scope: SessionScope,
  known: readonly ProcessId[] = [],
): Promise<ProcessFacts[]> {
  const members = await findMembers(scope, known);
  return members.length > 0 ? members : findMembers(scope, known);
}

/** Every live process, the shim too, that was started with this nonce, and what descends from it. */
export async function findLeftovers(nonce: string): Promise<ProcessId[]> {
  const members = await findMembers({ identity: undefined, nonce });
  return members.map(({ pid, startTime }) => ({ pid, startTime }));
}

/**
 * The pid of the program that only holds a sandbox in which the agent runs: with it all would end at once, before the
 * agent could do what it does at a SIGTERM. It ends by itself when the agent does. The sandbox's init takes no SIGTERM,
 * as it has no handler for it: pid_namespaces(7). While nothing runs in the sandbox yet there is nobody to spare.
 */
function findSandbox(
  { identity }: SessionScope,
  members: readonly ProcessFacts[],
): number | undefined {
  const holder = identity?.agent.pid;
  const init = members.find(({ pid, parentPid }) => parentPid === holder && isNamespaceInit(pid));
  return members.some(({ parentPid }) => parentPid === init?.pid) ? holder : undefined;
}

/** Signals the process if it is still the one that was meant. False: it is gone, or not ours. */
export function sendSignal(target: ProcessId, name: NodeJS.Signals): boolean {
  if (readLiveProcess(target) === undefined) {
    return false;
  }
  try {
    process.kill(target.pid, name);
    return true;
  } catch (error) {
    // ESRCH: it ended just now. EPERM: it runs as someone else, and shows up as remaining.
    if (codeOf(error) === "ESRCH" || codeOf(error) === "EPERM") {
      return false;
    }
    throw error;
  }
}

async function waitUntilEnded(
  targets: readonly ProcessId[],
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const timer = createWake();
  while (
    targets.some((target) => readLiveProcess(target) !== undefined) &&
    performance.now() < deadline &&
    signal?.aborted !== true
  ) {
    await timer.wait(Math.min(lookEveryMs, Math.max(1, deadline - performance.now())), signal);
  }
}
