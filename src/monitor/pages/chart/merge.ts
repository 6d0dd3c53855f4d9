import type { StatusMoment } from "./operations.ts";

/**
 * A moment may be told by the list and by the stream, at times that differ by a hair. One that tells of the same
 * status as the last, or is older, is known already: a worker's status never changes into itself.
 */
export function merge(
  known: readonly StatusMoment[],
  further: readonly StatusMoment[],
): readonly StatusMoment[] {
  let all = known;
  for (const moment of further) {
    const last = all.at(-1);
    const isNew =
      last === undefined ||
      (moment.status !== last.status && Date.parse(moment.at) >= Date.parse(last.at));
    if (isNew) all = [...all, moment];
  }
  return all;
}
