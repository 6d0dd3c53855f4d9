/**
 * Measures both in turns (ours, floor, floor, ours, …), so that what else happens on the machine hits
 * both. The first turn of each is not counted: it warms caches and compiles.
 */
export async function alternate(
  times: number,
  measureOurs: () => Promise<number>,
  measureFloor: () => Promise<number>,
): Promise<{ ours: number[]; floor: number[] }> {
  const ours: number[] = [];
  const floor: number[] = [];
  for (let turn = 0; turn <= times; turn += 1) {
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
