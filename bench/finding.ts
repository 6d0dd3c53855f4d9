// What a bench hands back, and what it means against its target.

export type Target =
  /** Our median is at most so many times the floor's. */
  | { readonly kind: "times"; readonly most: number }
  /** Our median is at most so much above the floor's, in the finding's unit. */
  | { readonly kind: "above"; readonly most: number }
  /** Our median is at most this, in the finding's unit: there is no floor. */
  | { readonly kind: "absolute"; readonly most: number }
  /** Our median is at least this, in the finding's unit: more is better. */
  | { readonly kind: "least"; readonly least: number };

export interface Finding {
  readonly what: string;
  readonly unit: "ms" | "kB" | "MB" | "rows" | "MB/s" | "events" | "events/s";
  readonly ours: readonly number[];
  /** The least that it can cost, measured in turns with ours. */
  readonly floor?: readonly number[];
  /** Left out: told for information. */
  readonly target?: Target;
}

export interface Summary {
  readonly median: number;
  readonly p95: number;
}

/** By the nearest rank, so that each is a value that was measured; a median of two is the smaller. */
export function summarise(values: readonly number[]): Summary {
  const ascending = values.toSorted((a, b) => a - b);
  const at = (share: number) => {
    const value = ascending[Math.ceil(share * ascending.length) - 1];
    if (value === undefined) throw new Error("nothing was measured");
    return value;
  };
  return { median: at(0.5), p95: at(0.95) };
}

export interface Verdict {
  /** Times the floor, or above it, or our own value, as the target's kind says. */
  readonly value: number;
  readonly met: boolean;
}

export function judge({ ours, floor, target }: Finding): Verdict | undefined {
  if (target === undefined) return undefined;
  const value = compare(target.kind, summarise(ours).median, floor);
  const met = target.kind === "least" ? value >= target.least : value <= target.most;
  return { value, met };
}

function compare(kind: Target["kind"], ours: number, floor: readonly number[] | undefined): number {
  if (kind === "absolute" || kind === "least") return ours;
  if (floor === undefined) throw new Error("this target needs a floor");
  const { median } = summarise(floor);
  return kind === "times" ? ours / median : ours - median;
}
