// Says whether a worker may reach a host, and at which of its addresses.
import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { matchesHost, type HostPattern, type NetworkRules } from "../../network-rules.ts";

export interface NetworkPolicy {
  readonly rules: NetworkRules;
  /** Hosts that Factory allows by itself: the agent's provider, registries. Only at addresses of the internet. */
  readonly builtIn: readonly HostPattern[];
  /** What the operator has named in another place, wherever it is: the host of the repository. */
  readonly named: readonly HostPattern[];
}

export type Decision =
  | { readonly allowed: true; readonly addresses: readonly string[] }
  | { readonly allowed: false; readonly reason: RefusalReason };

/** unlisted: no list has it. private: a list has it, but its addresses aren't of the internet. */
export type RefusalReason = "unlisted" | "private";

/**
 * `host` as from `normalizeHost`. The name is looked up once, here, and the caller connects to the addresses that come
 * back: a second look-up could have another answer.
 */
export async function decide(
  policy: NetworkPolicy,
  { host, port }: { readonly host: string; readonly port: number },
  resolve: (host: string) => Promise<readonly string[]>,
): Promise<Decision> {
  const { rules } = policy;
  const matches = (pattern: HostPattern) => matchesHost(pattern, host, port);
  // Who writes a host's whole name knows where it is; what is below a name, anybody may decide who owns that.
  const isNamed = [...rules.hosts, ...policy.named].some(
    (pattern) => !pattern.isWildcard && matches(pattern),
  );
  const isListed =
    isNamed ||
    rules.mode === "OPEN" ||
    rules.hosts.some(matches) ||
    (rules.mode === "LIST" && policy.builtIn.some(matches));
  if (!isListed) return { allowed: false, reason: "unlisted" };
  if (isIP(host) !== 0) {
    return isNamed || isPublic(host)
      ? { allowed: true, addresses: [host] }
      : { allowed: false, reason: "private" };
  }
  const found = await resolve(host);
  const addresses = found.filter((address) => isPublic(address) || (isNamed && isOfHost(address)));
  return addresses.length > 0
    ? { allowed: true, addresses }
    : { allowed: false, reason: "private" };
}

/**
 * As `decide`, where another proxy connects. That looks names up itself, and may know some that aren't found here:
 * those that a list has are allowed. There are no addresses then.
 */
export async function decideForUpstream(
  policy: NetworkPolicy,
  target: { readonly host: string; readonly port: number },
  resolve: (host: string) => Promise<readonly string[]>,
): Promise<Decision> {
  const lookUp = { failed: false };
  const decision = await decide(policy, target, async (host) => {
    try {
      return await resolve(host);
    } catch {
      lookUp.failed = true;
      return [];
    }
  });
  return lookUp.failed ? { allowed: true, addresses: [] } : decision;
}

/**
 * Whether it is an address of the internet: not loopback, private, link-local, carrier-grade NAT, multicast, reserved,
 * nor one that carries an IPv4 address inside (6to4, Teredo, NAT64), which could be any of those.
 */
export function isPublic(address: string): boolean {
  return rangeOf(address) === "unicast";
}

/** Where a machine of a name may be; cloud metadata (169.254.169.254) is named by its address or not at all. */
function isOfHost(address: string): boolean {
  return ["private", "uniqueLocal", "loopback", "carrierGradeNat"].includes(rangeOf(address));
}

function rangeOf(address: string): string {
  // An IPv4 address that is written as an IPv6 one is taken for what it is.
  return ipaddr.process(address).range();
}
