import { Ban, ChartGantt, RotateCcw } from "lucide-react";
import { useState } from "react";
import { useLocation } from "wouter";
import { client } from "../../client/client.ts";
import { failureOf } from "../../client/failure.ts";
import { Status } from "../../components/status.tsx";
import { toast, toastFailure } from "../../components/toasts.tsx";
import { isLive } from "../../live/states.ts";
import { routes, timeChartPath, workerPath } from "../../routes.ts";
import { CancelDialog } from "./cancel-dialog.tsx";
import { retryWorker, type Worker } from "./operations.ts";
import { Task } from "./task.tsx";

/** Which worker it is, how it stands, and what can be done with it. */
export function Head({ worker }: { worker: Worker }) {
  const { name, status, statusReason, failureCode, parentSession, agent, attempt } = worker;
  return (
    <header className="session-head">
      <p className="crumbs">
        <a href={routes.overview}>Overview</a>
        <span aria-hidden="true"> / </span>
        <ParentLink name={parentSession.name} />
      </p>
      <div className="session-title">
        <h1>{name}</h1>
        <Status status={status} />
        <span className="quiet">
          {agent}
          {attempt > 1 && `, attempt ${String(attempt)}`}
        </span>
        <span className="spring" />
        <Actions worker={worker} />
      </div>
      {statusReason !== null && status !== "WAITING" && (
        <p className="session-reason" data-status={status}>
          {statusReason}
          {failureCode !== null && <code> {failureCode}</code>}
        </p>
      )}
      <Task task={worker.task} />
    </header>
  );
}

/** A parent that is itself a worker has a page of its own; of any other the time chart tells most. */
export function ParentLink({ name }: { name: string }) {
  const isWorker = /^worker-\d+$/.test(name);
  return <a href={isWorker ? workerPath(name) : timeChartPath(name)}>{name}</a>;
}

function Actions({ worker }: { worker: Worker }) {
  const [isCancelling, setCancelling] = useState(false);
  const live = isLive(worker.status);
  return (
    <div className="session-actions">
      <a href={timeChartPath(worker.parentSession.name)} className="button">
        <ChartGantt size={15} aria-hidden="true" />
        Time chart
      </a>
      {live ? (
        <button
          type="button"
          className="button"
          data-kind="danger"
          onClick={() => setCancelling(true)}
        >
          <Ban size={15} aria-hidden="true" />
          Cancel…
        </button>
      ) : (
        <RetryButton worker={worker} />
      )}
      {isCancelling && <CancelDialog worker={worker} onClose={() => setCancelling(false)} />}
    </div>
  );
}

function RetryButton({ worker }: { worker: Worker }) {
  const [isAsking, setAsking] = useState(false);
  const [, navigate] = useLocation();

  async function retry(): Promise<void> {
    setAsking(true);
    const { data, error } = await client.mutation(retryWorker, { input: { id: worker.id } });
    setAsking(false);
    if (error !== undefined)
      toastFailure(`${worker.name} was not dispatched again`, failureOf(error));
    const again = data?.retryWorker?.worker;
    if (again === undefined) return;
    toast(
      `${again.name} tries it again`,
      "The same work, in the same worktree where it still exists.",
    );
    navigate(workerPath(again.name));
  }

  return (
    <button type="button" className="button" disabled={isAsking} onClick={() => void retry()}>
      <RotateCcw size={15} aria-hidden="true" />
      Retry
    </button>
  );
}
