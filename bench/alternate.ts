export interface Turns {
  readonly turns: number;
  /** Milliseconds after which no further turn begins, where one has been counted: for slow machines. */
  readonly withinMs?: number;
}

/**
 * Measures both in turns (ours, floor, floor, ours, …), so that what else happens on the machine hits
 * both. The first turn of each is not counted: it warms caches and compiles.
 */
export async function alternate(
  { turns, withinMs = Infinity }: Turns,
  measureOurs: () => Promise<number>,
  measureFloor: () => Promise<number>,
): Promise<{ ours: number[]; floor: number[] }> {
  const ours: number[] = [];
  const floor: number[] = [];
  const started = performance.now();
  for (let turn = 0; turn <= turns; turn += 1) {
    if (turn > 1 && performance.now() - started > withinMs) break;
    const pair =
      turn % 2 === 0
        ? { ours: await measureOurs(), floor: await measureFloor() }
        : { floor: await measureFloor(), ours: await measureOurs() };
    if (turn === 0) continue;
    ours.push(pair.ours);
    floor.push(pair.floor);
  }
  return { ours, floor };
}
