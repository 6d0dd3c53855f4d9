// FACTORY_HOME/address: where the server of this FACTORY_HOME listens, for the `factory` command on the same machine.
import { join } from "node:path";

export interface Address {
  /** http://host:port, as it is reached from this machine. */
  readonly url: string;
  /** The server's process, told apart from every other: one that was killed leaves its file behind. */
  readonly bootId: string;
  readonly pid: number;
  /** Clock ticks since boot, proc(5) field 22. */
  readonly startTime: number;
}

export function addressFileOf(home: string): string {
  return join(home, "address");
}

/** undefined: the text is no address. */
export function parseAddress(text: string): Address | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { url, bootId, pid, startTime } = value as Readonly<Record<string, unknown>>;
  if (typeof url !== "string" || typeof bootId !== "string") return undefined;
  if (typeof pid !== "number" || typeof startTime !== "number") return undefined;
  return { url, bootId, pid, startTime };
}
