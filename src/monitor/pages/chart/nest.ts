// Workers below those that dispatched them.
import type { Bar } from "./phases.ts";

/** Each is followed by what it dispatched; those of one dispatcher stay in the order in which they come. */
export function nest(bars: readonly Bar[]): readonly Bar[] {
  const shown = new Set(bars.map(({ worker }) => worker.id));
  const below = Map.groupBy(bars, ({ worker: { parentWorker } }) =>
    parentWorker !== null && shown.has(parentWorker.id) ? parentWorker.id : undefined,
  );
  const nested: Bar[] = [];
  const rest = [...(below.get(undefined) ?? [])].reverse();
  for (let bar = rest.pop(); bar !== undefined; bar = rest.pop()) {
    nested.push(bar);
    rest.push(...[...(below.get(bar.worker.id) ?? [])].reverse());
  }
  return nested;
}
