import { groupsOf } from "./caps.ts";
import { listCgroup } from "./cgroup.ts";
import type { Identity } from "./identity.ts";
import type { ProcessFacts, ProcessId } from "./proc.ts";
import { carriesNonce, listProcesses } from "./proc.ts";

export interface SessionScope {
  /** Undefined where no identity was written; then the nonce alone tells, and the shim counts too. */
  readonly identity: Identity | undefined;
  readonly nonce: string;
  /** `Exited.endedTick`, if the agent has ended. */
  readonly endedTick?: number | undefined;
}

/**
 * Every live process that belongs to the session, but for the shim and its own helpers (sync, mv).
 * Belonging is proven by one of these, as agents start tools in sessions of their own, and a tool
 * may clear its environment:
 *
 * - it is the agent, or was found before (`known`), by pid and start time
 * - it is in the session that the shim leads, while that number can't have been given out again
 * - its environment holds the nonce
 * - it is in a control group that the agent was started in
 * - its parent belongs, or is the shim, which adopts what its descendants leave behind
 */
export async function findMembers(
  scope: SessionScope,
  known: Iterable<ProcessId> = [],
): Promise<ProcessFacts[]> {
  const { identity, nonce } = scope;
  const processes = await listProcesses();
  const byPid = new Map(processes.map((facts) => [facts.pid, facts]));
  const groups = await groupsOf(nonce, identity);
  const grouped = new Set((await Promise.all(groups.map(listCgroup))).flat());
  const isThere = (id: ProcessId) => byPid.get(id.pid)?.startTime === id.startTime;

  const apart = new Set([process.pid]);
  if (identity !== undefined && isThere(identity.shim)) {
    apart.add(identity.shim.pid);
    for (const facts of processes) {
      if (isHelper(scope, facts)) apart.add(facts.pid);
    }
  }

  const members = new Map<number, ProcessFacts>();
  const add = (facts: ProcessFacts | undefined) => {
    if (facts !== undefined && !apart.has(facts.pid)) {
      members.set(facts.pid, facts);
    }
  };
  const recorded = identity === undefined ? known : [identity.agent, ...known];
  for (const id of recorded) {
    add(isThere(id) ? byPid.get(id.pid) : undefined);
  }
  for (const facts of processes) {
    const candidate = !members.has(facts.pid) && !apart.has(facts.pid);
    // What is older than the shim can't be of the session: no need to read its environment.
    if (candidate && facts.startTime >= (identity?.shim.startTime ?? 0)) {
      if (
        grouped.has(facts.pid) ||
        isInShimSession(scope, facts, isThere) ||
        (identity !== undefined && isChildOfShim(identity, facts, isThere)) ||
        (await carriesNonce(facts.pid, nonce))
      ) {
        add(facts);
      }
    }
  }
  addDescendants(processes, members, add);
  return [...members.values()];
}

/** Until the end is written down the shim's group is its helpers': an agent's processes start in another one. */
function isHelper({ identity, endedTick }: SessionScope, facts: ProcessFacts): boolean {
  if (identity === undefined || facts.pid === identity.agent.pid) return false;
  if (facts.pid === identity.relay?.pid) return facts.parentPid === identity.shim.pid;
  const { pid } = identity.shim;
  return endedTick === undefined && facts.processGroup === pid && facts.session === pid;
}

function isChildOfShim(
  { shim }: Identity,
  facts: ProcessFacts,
  isThere: (id: ProcessId) => boolean,
): boolean {
  return facts.parentPid === shim.pid && isThere(shim);
}

/**
 * A session's number stays taken while its leader lives. Once the shim is dead it could be another's,
 * so only those count that started before the shim wrote down the end: it still lived then. A member
 * of the agent's group counts as well while the agent lives, as that takes the group's number.
 */
function isInShimSession(
  { identity, endedTick }: SessionScope,
  facts: ProcessFacts,
  isThere: (id: ProcessId) => boolean,
): boolean {
  if (facts.session !== identity?.shim.pid) {
    return false;
  }
  return (
    isThere(identity.shim) ||
    (isThere(identity.agent) && facts.processGroup === identity.agent.processGroup) ||
    (endedTick !== undefined && facts.startTime <= endedTick)
  );
}

function addDescendants(
  processes: readonly ProcessFacts[],
  members: ReadonlyMap<number, ProcessFacts>,
  add: (facts: ProcessFacts) => void,
): void {
  const childrenOf = Map.groupBy(processes, (facts) => facts.parentPid);
  const open = [...members.keys()];
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    for (const child of childrenOf.get(pid) ?? []) {
      if (!members.has(child.pid)) {
        add(child);
        if (members.has(child.pid)) {
          open.push(child.pid);
        }
      }
    }
  }
}
