import { memo } from "react";
import { Status } from "../../components/status.tsx";
import { Ago, Since } from "../../components/time.tsx";
import {
  firstLine,
  tellMoment,
  tellDuration,
  tellUsage,
  tellWholeUsage,
} from "../../components/words.ts";
import type { Worker } from "../../live/operations.ts";
import { isLive } from "../../live/states.ts";
import { workerPath } from "../../routes.ts";

interface WorkerRowProps {
  readonly worker: Worker;
  /** What it reported last. */
  readonly report: string | undefined;
}

/** Drawn anew only where this worker has changed: there may be hundreds. */
export const WorkerRow = memo(function WorkerRow({ worker, report }: WorkerRowProps) {
  const { name, status, agent, task, branch, usage } = worker;
  const news = newsOf(worker, report);
  return (
    <div className="worker-row" data-status={status}>
      <Status status={status} />
      <div className="worker-text">
        <p className="worker-head">
          <a href={workerPath(name)} className="worker-name" data-worker-link="">
            {name}
          </a>
          <span className="worker-task" title={firstLine(task)}>
            {firstLine(task)}
          </span>
        </p>
        <p className="worker-news">
          <code className="worker-branch">{branch}</code>
          {news !== undefined && <span className="worker-reason">{news}</span>}
        </p>
      </div>
      <span className="worker-agent">{agent}</span>
      <span className="worker-usage" title={usage === null ? undefined : tellWholeUsage(usage)}>
        {usage === null ? "" : tellUsage(usage)}
      </span>
      <span className="worker-age">
        <Age worker={worker} />
      </span>
    </div>
  );
});

/** What there is to know beside the status: what it asks for, reported or met. */
function newsOf(worker: Worker, report: string | undefined): string | undefined {
  const { status, statusReason, pendingPermissions } = worker;
  const [request] = pendingPermissions;
  if (request !== undefined) return `asks: ${firstLine(request.title)}`;
  const isTold = report !== undefined && (isLive(status) || status === "SUCCEEDED");
  if (isTold) return firstLine(report);
  return statusReason === null ? undefined : firstLine(statusReason);
}

function Age({ worker }: { worker: Worker }) {
  const { createdAt, startedAt, finishedAt } = worker;
  if (finishedAt === null) return <Since at={startedAt ?? createdAt} />;
  const took = Date.parse(finishedAt) - Date.parse(startedAt ?? createdAt);
  return (
    <span title={`took ${tellDuration(took)}, ended ${tellMoment(finishedAt)}`}>
      <Ago at={finishedAt} />
    </span>
  );
}
