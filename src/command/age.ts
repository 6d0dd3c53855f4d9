const units = [
  ["d", 86_400],
  ["h", 3_600],
  ["m", 60],
  ["s", 1],
] as const;

/** How long from one moment to another, in its largest unit, such as 3m; two below ten hours: 2h 5m. */
export function span(from: string, to: string | number = Date.now()): string {
  const seconds = Math.max(
    0,
    Math.round((new Date(to).getTime() - new Date(from).getTime()) / 1000),
  );
  const index = units.findIndex(([, size]) => seconds >= size);
  const [unit, size] = units[index] ?? units[3];
  const count = Math.floor(seconds / size);
  const next = units[index + 1];
  // The clocks of two machines may differ by a second.
  if (next === undefined || unit === "m" || count >= 10) return `${String(count)}${unit}`;
  const rest = Math.floor((seconds % size) / next[1]);
  return rest === 0
    ? `${String(count)}${unit}`
    : `${String(count)}${unit}${String(rest)}${next[0]}`;
}
