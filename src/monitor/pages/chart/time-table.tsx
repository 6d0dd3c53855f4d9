import { Status } from "../../components/status.tsx";
import { tellMoment, tellUsage } from "../../components/words.ts";
import { workerPath } from "../../routes.ts";
import { tellExact } from "./axis.ts";
import { indent } from "./indent.ts";
import { phaseStatuses, spent, type Bar } from "./phases.ts";

/** The chart's figures, for those who would rather read them. */
export function TimeTable({ bars, now }: { bars: readonly Bar[]; now: number }) {
  return (
    <div className="time-table-frame" tabIndex={0} role="region" aria-label="Times of the workers">
      <table className="time-table">
        <thead>
          <tr>
            <th scope="col">Worker</th>
            <th scope="col">Status</th>
            <th scope="col">Dispatched</th>
            <th scope="col">Queued</th>
            <th scope="col">Preparing</th>
            <th scope="col">Running</th>
            <th scope="col">Waiting</th>
            <th scope="col">Whole</th>
            <th scope="col">Usage</th>
          </tr>
        </thead>
        <tbody>
          {bars.map(({ worker, depth, from, to, phases }) => {
            const sums = spent(phases, now);
            return (
              <tr key={worker.id}>
                <th scope="row" data-depth={depth}>
                  <a href={workerPath(worker.name)} style={indent(depth)}>
                    {worker.name}
                  </a>
                </th>
                <td>
                  <Status status={worker.status} />
                </td>
                <td>{tellMoment(worker.createdAt)}</td>
                {phaseStatuses.map((status) => (
                  <td key={status} className="figure">
                    {tellExact(sums[status])}
                  </td>
                ))}
                <td className="figure">{tellExact((to ?? now) - from)}</td>
                <td className="figure">{worker.usage === null ? "" : tellUsage(worker.usage)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
