// What the processes of one worker may have together: the server's settings, and less where its dispatch says so.
import { capNames, capSettings, lowerCaps, type CapName, type Caps } from "../caps.ts";
import { FactoryError } from "../errors.ts";
import type { WorkerSession } from "../generated/prisma/client.ts";

export interface HostCaps {
  /** The server's. */
  readonly settings: Caps;
  /** What this machine can't hold a worker to by control groups, with the reason. */
  readonly missing: ReadonlyMap<CapName, string>;
}

/** How a dispatch names them, and how much one of what it counts is. */
export const capFields = {
  memory: { field: "maxMemoryMib", unit: 2 ** 20 },
  cpus: { field: "maxCpus", unit: 1 },
  processes: { field: "maxProcesses", unit: 1 },
} as const;

type Asked = Pick<WorkerSession, (typeof capFields)[CapName]["field"]>;

export interface WorkerCaps {
  /** All that hold for it. */
  readonly all: Caps;
  /** What control groups are to hold it to. */
  readonly byGroups: Caps;
}

/**
 * Settings that this machine can't hold were told of at the start; a dispatch's own is not taken lightly.
 * @param isLockedIn whether it is started in a sandbox, which counts processes by itself
 * @throws FactoryError HOST_FAILURE where this machine can't hold a cap of the dispatch
 */
export function capsOf(
  session: Asked,
  { settings, missing }: HostCaps,
  isLockedIn: boolean,
): WorkerCaps {
  const asked = askedCaps(session);
  for (const name of capNames) {
    const reason = missing.get(name);
    if (asked[name] === undefined || reason === undefined) continue;
    if (name === "processes" && isLockedIn) continue;
    throw new FactoryError(
      "HOST_FAILURE",
      `${capFields[name].field} is given, and ${reason}: dispatch it without, or see "Caps" in docs/sandbox.md`,
    );
  }
  const all = lowerCaps(asked, settings);
  const held = capNames.filter((name) => !missing.has(name));
  return { all, byGroups: Object.fromEntries(held.map((name) => [name, all[name]])) };
}

function askedCaps(session: Asked): Caps {
  return Object.fromEntries(
    capNames.map((name) => {
      const { field, unit } = capFields[name];
      const value = session[field];
      return [name, value === null ? undefined : value * unit];
    }),
  );
}

/** Fit to show to a person. @param limit in bytes */
export function describeMemoryExcess(session: Pick<Asked, "maxMemoryMib">, limit: number): string {
  const mebibytes = Math.round(limit / capFields.memory.unit);
  const isOwn = session.maxMemoryMib === mebibytes;
  const remedy = isOwn
    ? `dispatch it with a higher ${capFields.memory.field}`
    : `raise ${capSettings.memory}`;
  return `went over its memory cap of ${String(mebibytes)} MiB: ${remedy}, or have it do less at once`;
}

/**
 * What the start says where settings are not held to; undefined: nothing.
 * @param isLockedIn whether all workers are in a sandbox, which counts processes by itself
 */
export function capWarning(
  { settings, missing }: HostCaps,
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
