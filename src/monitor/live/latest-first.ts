// The order of the activity list. Each parent has a stream of its own, which tells at its own pace and begins with
// what was earlier: what comes last is not always what happened last.
interface Entry {
  /** ISO 8601. */
  readonly at: string;
  readonly sequence: number;
  /** Unique among all. */
  readonly key: string;
}

/** Both lists as one, the latest first, each entry once; the oldest are dropped beyond `most`. */
export function mergeLatestFirst<Value extends Entry>(
  known: readonly Value[],
  further: readonly Value[],
  most: number,
): readonly Value[] {
  const byKey = new Map([...known, ...further].map((entry) => [entry.key, entry]));
  return [...byKey.values()].sort(compare).slice(0, most);
}

/** Within a stream the sequence decides where two share a millisecond. */
function compare(one: Entry, other: Entry): number {
  return Date.parse(other.at) - Date.parse(one.at) || other.sequence - one.sequence;
}
