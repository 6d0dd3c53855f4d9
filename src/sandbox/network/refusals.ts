// What a worker was refused, told once for each host and port, and counted.
import { writeHostPattern } from "../../network-rules.ts";
import type { RefusalReason } from "./policy.ts";

export interface Refusal {
  readonly host: string;
  readonly port: number;
  readonly reason: RefusalReason;
}

export interface RefusalLog {
  /** All that were refused, repeated ones too. */
  readonly count: number;
  add(refusal: Refusal): void;
}

/** A worker that tries names without end fills no log; the count goes on. */
const maxTold = 200;

export function createRefusalLog(tell: (refusal: Refusal) => void): RefusalLog {
  const told = new Set<string>();
  let count = 0;
  return {
    get count() {
      return count;
    },
    add(refusal) {
      count += 1;
      const key = `${refusal.host} ${refusal.port} ${refusal.reason}`;
      if (told.has(key) || told.size >= maxTold) return;
      told.add(key);
      tell(refusal);
    },
  };
}

/** What the program inside sees, as HTTP's status line: of npm, curl and git some show nothing else. */
export function explainRefusal({ host, port, reason }: Refusal): string {
  const place = writeHostPattern({ host, isWildcard: false, port });
  return reason === "unlisted"
    ? `Blocked by Factory: ${place} is not allowed for this worker (setting FACTORY_NETWORK)`
    : `Blocked by Factory: ${place} is at a private address (name the host in FACTORY_NETWORK to allow it)`;
}
