// What the processes of one worker may have together: as the server's settings say, where this machine can hold it.
import { capNames, capSettings, type CapName, type Caps } from "../caps.ts";

export interface HostCaps {
  /** The server's. */
  readonly settings: Caps;
  /** What this machine can't hold a worker to by control groups, with the reason. */
  readonly missing: ReadonlyMap<CapName, string>;
}

/** What is to be held by control groups. Those that this machine can't hold were told of at the start. */
export function capsOf({ settings, missing }: HostCaps): Caps {
  return Object.fromEntries(
    capNames.filter((name) => !missing.has(name)).map((name) => [name, settings[name]]),
  );
}

/** What the start says where settings are not held to; undefined: nothing. */
export function capWarning(
  { settings, missing }: HostCaps,
  /** Whether all workers are in a sandbox, which counts processes by itself. */
  isLockedIn: boolean,
): string | undefined {
  const unheld = capNames.filter(
    (name) =>
      settings[name] !== undefined && missing.has(name) && !(name === "processes" && isLockedIn),
  );
  const [first] = unheld;
  if (first === undefined) return undefined;
  const names = unheld.map((name) => capSettings[name]).join(" and ");
  return `workers are not held to ${names}: ${missing.get(first) ?? ""}. To hold them to it, see "Caps" in docs/sandbox.md.`;
}
