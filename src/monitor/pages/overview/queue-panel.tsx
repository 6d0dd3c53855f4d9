import { useMemo, useState } from "react";
import { useStore } from "../../client/store.ts";
import { Panel } from "../../components/panel.tsx";
import { Since } from "../../components/time.tsx";
import { firstLine } from "../../components/words.ts";
import type { Worker } from "../../live/operations.ts";
import { overview } from "../../live/overview.ts";
import { workerPath } from "../../routes.ts";

const mostShown = 8;

/** Who runs next, and why each of them waits. */
export function QueuePanel() {
  const { workers, counts } = useStore(overview);
  const [isWhole, setWhole] = useState(false);
  const queue = useMemo(() => sortQueue(workers.values()), [workers]);
  const shown = isWhole ? queue : queue.slice(0, mostShown);
  return (
    <Panel title="Queue" number={Math.max(counts.QUEUED, queue.length)}>
      {queue.length === 0 ? (
        <p className="panel-empty">Nobody waits: what is dispatched starts at once.</p>
      ) : (
        <ol>
          {shown.map((worker) => (
            <li key={worker.id} className="side-item">
              <p className="side-head">
                <a href={workerPath(worker.name)} className="worker-name">
                  {worker.name}
                </a>
                <span className="side-text">{firstLine(worker.task)}</span>
                <span className="side-end">
                  <Since at={worker.createdAt} />
                </span>
              </p>
              <p className="quiet">
                {worker.statusReason ?? "queued"}
                {worker.priority !== 0 && ` · priority ${String(worker.priority)}`}
              </p>
            </li>
          ))}
        </ol>
      )}
      {queue.length > shown.length && (
        <button type="button" className="more-button" onClick={() => setWhole(true)}>
          Show {queue.length - shown.length} more
        </button>
      )}
    </Panel>
  );
}

/** As the server takes them: by priority, then by age. */
function sortQueue(workers: Iterable<Worker>): Worker[] {
  return [...workers]
    .filter(({ status }) => status === "QUEUED")
    .sort(
      (one, other) =>
        other.priority - one.priority || Date.parse(one.createdAt) - Date.parse(other.createdAt),
    );
}
