import { Status } from "../../components/status.tsx";
import { allStatuses, statusWords } from "../../live/states.ts";
import { phaseStatuses, type Bar } from "./phases.ts";

/** What the colours mean, and how many workers stand where. */
export function Legend({ bars }: { bars: readonly Bar[] }) {
  const counts = Map.groupBy(bars, ({ worker }) => worker.status);
  return (
    <figcaption className="legend">
      <ul className="legend-phases" aria-label="Colours">
        {phaseStatuses.map((status) => (
          <li key={status}>
            <span className="swatch" data-status={status} aria-hidden="true" />
            {statusWords[status]}
          </li>
        ))}
      </ul>
      <ul className="legend-counts" aria-label="Workers by status">
        {allStatuses
          .filter((status) => counts.has(status))
          .map((status) => (
            <li key={status}>
              {counts.get(status)?.length ?? 0} <Status status={status} />
            </li>
          ))}
      </ul>
    </figcaption>
  );
}
