// Ticks of a time axis: at round distances from its beginning, a handful of them.
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const steps = [
  ...[0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30].map((seconds) => seconds * second),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * minute),
  ...[1, 2, 3, 6, 12].map((hours) => hours * hour),
  ...[1, 2, 7, 14, 28].map((days) => days * day),
];

/** Milliseconds since the beginning, from 0 on. */
export function ticksOf(lengthMs: number, most: number): number[] {
  const longest = steps.at(-1) ?? day;
  const step =
    steps.find((known) => lengthMs / known <= most) ??
    Math.ceil(lengthMs / most / longest) * longest;
  return Array.from({ length: Math.floor(lengthMs / step) + 1 }, (_, at) => at * step);
}

/** 0, 30s, 1m 30s, 2h, 2h 30m, 3d. */
export function tellTick(ms: number): string {
  if (ms === 0) return "0";
  const parts = [
    [Math.floor(ms / day), "d"],
    [Math.floor((ms % day) / hour), "h"],
    [Math.floor((ms % hour) / minute), "m"],
    [(ms % minute) / second, "s"],
  ] as const;
  return parts
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${String(Math.round(value * 10) / 10)}${unit}`)
    .join(" ");
}

/** How long something took, to the second; of less than ten seconds to a tenth. */
export function tellExact(ms: number): string {
  const unit = ms < 10 * second ? second / 10 : second;
  const rounded = Math.round(ms / unit) * unit;
  return rounded === 0 ? "0s" : tellTick(rounded);
}
