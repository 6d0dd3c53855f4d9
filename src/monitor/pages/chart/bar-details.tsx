import { Status } from "../../components/status.tsx";
import { tellMoment, tellWholeUsage } from "../../components/words.ts";
import { statusWords } from "../../live/states.ts";
import { tellExact } from "./axis.ts";
import { phaseStatuses, spent, type Bar } from "./phases.ts";

/** The figures of the bar that is pointed at or has the focus. */
export function BarDetails({ bar, now }: { bar: Bar | undefined; now: number }) {
  if (bar === undefined) {
    return (
      <p className="bar-details is-empty">
        Point at a bar, or go through them with <kbd>↑</kbd> <kbd>↓</kbd>, for its figures.
      </p>
    );
  }
  const { worker, from, to, phases } = bar;
  const sums = spent(phases, now);
  return (
    <div className="bar-details">
      <p className="bar-details-head">
        <strong>{worker.name}</strong> <Status status={worker.status} /> {worker.agent} on{" "}
        <code>{worker.branch}</code>
        {worker.parentWorker !== null && `, dispatched by ${worker.parentWorker.name}`}
        {worker.attempt > 1 && `, attempt ${String(worker.attempt)}`},{" "}
        <span className="quiet">{tellMoment(worker.createdAt)}</span>
      </p>
      <dl>
        {phaseStatuses.map((status) => (
          <div key={status}>
            <dt>
              <span className="swatch" data-status={status} aria-hidden="true" />
              {statusWords[status]}
            </dt>
            <dd>{tellExact(sums[status])}</dd>
          </div>
        ))}
        <div>
          <dt>in all</dt>
          <dd>{tellExact((to ?? now) - from)}</dd>
        </div>
        {worker.usage !== null && (
          <div>
            <dt>usage</dt>
            <dd>{tellWholeUsage(worker.usage)}</dd>
          </div>
        )}
      </dl>
      {worker.statusReason !== null && <p className="bar-reason">{worker.statusReason}</p>}
    </div>
  );
}
