// Nothing is started while the machine has little memory left: one worker more would be paid for by all.
import { freemem } from "node:os";

export interface MemoryFloor {
  /** Bytes; 0: none. */
  readonly floor: number;
  /** Bytes that can be had without swapping, caches included. Default: as the kernel tells now. */
  readonly available?: () => number;
}

/** Why nothing may be started now, fit to show to a person; null: it may. */
export function findShortage({ floor, available = freemem }: MemoryFloor): string | null {
  if (floor === 0 || available() >= floor) return null;
  // The same words as long as it lasts, as they are written down when they change.
  return `waits until its machine has ${String(Math.ceil(floor / 2 ** 20))} MiB of memory free (FACTORY_MEMORY_FLOOR)`;
}
