import { spent, type Bar } from "./phases.ts";

export const orders = [
  { name: "dispatched", words: "as dispatched" },
  { name: "longest", words: "longest first" },
  { name: "waited", words: "longest wait first" },
  { name: "ended", words: "last to end first" },
] as const;

export type Order = (typeof orders)[number]["name"];

export function sortBars(bars: readonly Bar[], order: Order, now: number): readonly Bar[] {
  if (order === "dispatched") return bars;
  const keyed = bars.map((bar) => ({ bar, key: keyOf(bar, order, now) }));
  return keyed.sort((one, other) => other.key - one.key).map(({ bar }) => bar);
}

function keyOf(
  { from, to, phases }: Bar,
  order: Exclude<Order, "dispatched">,
  now: number,
): number {
  switch (order) {
    case "longest":
      return (to ?? now) - from;
    case "ended":
      return to ?? Number.POSITIVE_INFINITY;
    case "waited": {
      const { QUEUED, WAITING } = spent(phases, now);
      return QUEUED + WAITING;
    }
  }
}
