import { count } from "../../components/words.ts";
import type { Stretch } from "./phases.ts";

/** A parent that is used for days has its work apart where it paused; most look at the latest. */
export function StretchSelect({
  stretches,
  value,
  onValue,
}: {
  stretches: readonly Stretch[];
  value: string;
  onValue: (value: string) => void;
}) {
  if (stretches.length < 2) return null;
  const [latest, ...earlier] = stretches;
  return (
    <label className="chart-choice">
      Shown
      <select
        className="input"
        value={value}
        onChange={({ currentTarget }) => onValue(currentTarget.value)}
      >
        <option value="">{latest === undefined ? "" : `The latest: ${tell(latest)}`}</option>
        {earlier.map((stretch) => (
          <option key={stretch.from} value={stretch.from}>
            {tell(stretch)}
          </option>
        ))}
        <option value="all">Everything</option>
      </select>
    </label>
  );
}

const moment = new Intl.DateTimeFormat(undefined, {
  dateStyle: "medium",
  timeStyle: "short",
  hourCycle: "h23",
});

function tell({ from, bars }: Stretch): string {
  return `${moment.format(from)}, ${count(bars.length, "worker")}`;
}
