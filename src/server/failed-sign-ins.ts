// Slows down whoever guesses the token, by address.

/** So often a token may be mistyped before the next try has to wait. */
const freeFailures = 5;
const firstWaitMs = 1_000;
const maxWaitMs = 60_000;
/** An address without a failure for so long starts again. */
const forgetAfterMs = 15 * 60_000;
const maxAddresses = 10_000;

export interface FailedSignIns {
  /** Seconds until the address may try again; 0: at once. */
  secondsToWait(address: string): number;
  failed(address: string): void;
  succeeded(address: string): void;
}

interface Failures {
  readonly count: number;
  readonly at: number;
}

/** @param now in milliseconds */
export function createFailedSignIns(now: () => number = () => performance.now()): FailedSignIns {
  /** The one that failed last is the last. */
  const byNetwork = new Map<string, Failures>();

  function find(network: string): Failures | undefined {
    const failures = byNetwork.get(network);
    return failures === undefined || now() - failures.at > forgetAfterMs ? undefined : failures;
  }

  return {
    secondsToWait(address) {
      const failures = find(networkOf(address));
      if (failures === undefined || failures.count < freeFailures) return 0;
      const waitMs = Math.min(firstWaitMs * 2 ** (failures.count - freeFailures), maxWaitMs);
      return Math.max(0, Math.ceil((failures.at + waitMs - now()) / 1000));
    },
    failed(address) {
      const network = networkOf(address);
      const count = (find(network)?.count ?? 0) + 1;
      byNetwork.delete(network);
      byNetwork.set(network, { count, at: now() });
      const [oldest] = byNetwork.keys();
      if (byNetwork.size > maxAddresses && oldest !== undefined) byNetwork.delete(oldest);
    },
    succeeded(address) {
      byNetwork.delete(networkOf(address));
    },
  };
}

/** The addresses that one client has at will: with IPv6 its whole /64. */
function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail = ""] = address.split("::");
  const left = head.split(":").filter((group) => group !== "");
  const right = tail.split(":").filter((group) => group !== "");
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => "0");
  return [...left, ...(address.includes("::") ? zeros : []), ...right].slice(0, 4).join(":");
}
