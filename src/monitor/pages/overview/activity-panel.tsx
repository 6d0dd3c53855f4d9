import { useState } from "react";
import { useStore } from "../../client/store.ts";
import { Panel } from "../../components/panel.tsx";
import { Status } from "../../components/status.tsx";
import { Ago } from "../../components/time.tsx";
import { firstLine } from "../../components/words.ts";
import { activity, type ActivityEntry } from "../../live/activity.ts";
import { workerPath } from "../../routes.ts";

const mostShown = 12;

/** What the workers of live parents did and reported, the latest first. */
export function ActivityPanel() {
  const entries = useStore(activity).filter(isNews);
  const [isWhole, setWhole] = useState(false);
  const shown = isWhole ? entries : entries.slice(0, mostShown);
  return (
    <Panel title="Activity">
      {entries.length === 0 && (
        <p className="panel-empty">What workers do and report is told here as it happens.</p>
      )}
      <ol>
        {shown.map((entry) => (
          <Entry key={entry.key} entry={entry} />
        ))}
      </ol>
      {entries.length > shown.length && (
        <button type="button" className="more-button" onClick={() => setWhole(true)}>
          Show {entries.length - shown.length} more
        </button>
      )}
    </Panel>
  );
}

/** That a worker is queued and prepared can be seen above, and is soon over. */
function isNews({ report, status }: ActivityEntry): boolean {
  return report !== null || (status !== "QUEUED" && status !== "PREPARING");
}

function Entry({ entry }: { entry: ActivityEntry }) {
  const { parent, sequence, worker, status, reason, report, at } = entry;
  const told = report ?? reason;
  return (
    <li className="side-item" data-parent={parent} data-sequence={sequence}>
      <p className="side-head">
        <a href={workerPath(worker.name)} className="worker-name">
          {worker.name}
        </a>
        {report === null ? <Status status={status} /> : <span className="reported">reported</span>}
        <span className="side-end">
          <Ago at={at} />
        </span>
      </p>
      {told !== null && <p className="quiet side-clip">{firstLine(told)}</p>}
    </li>
  );
}
