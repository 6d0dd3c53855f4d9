// What the processes of one worker may have together.

/** Each undefined: as much as the machine gives. */
export interface Caps {
  /** Bytes, with swap and what lies in file systems in memory. Over it all of the worker's processes end. */
  readonly memory?: number | undefined;
  /** Processors, such as 0.5. */
  readonly cpus?: number | undefined;
  /** Processes and threads. Further ones are refused. */
  readonly processes?: number | undefined;
}

export type CapName = keyof Caps;

export const capNames = ["memory", "cpus", "processes"] as const satisfies readonly CapName[];

/** What may be asked for. Less starts no agent. */
export const capBounds = {
  memory: { least: 64 * 2 ** 20, most: 16 * 2 ** 40 },
  cpus: { least: 0.1, most: 1024 },
  processes: { least: 16, most: 1_000_000 },
} as const satisfies Readonly<Record<CapName, { readonly least: number; readonly most: number }>>;

/** Of each the lower. */
export function lowerCaps(one: Caps, other: Caps): Caps {
  return Object.fromEntries(
    capNames.map((name) => {
      const given = [one[name], other[name]].filter((value) => value !== undefined);
      return [name, given.length === 0 ? undefined : Math.min(...given)];
    }),
  );
}

/** The settings that hold them for all workers of a server. */
export const capSettings = {
  memory: "FACTORY_WORKER_MEMORY",
  cpus: "FACTORY_WORKER_CPUS",
  processes: "FACTORY_WORKER_PROCESSES",
} as const satisfies Readonly<Record<CapName, string>>;
