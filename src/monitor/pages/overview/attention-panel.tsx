import { useState } from "react";
import { useStore } from "../../client/store.ts";
import { Panel } from "../../components/panel.tsx";
import { PermissionRequest } from "../../components/permission-request.tsx";
import { Status } from "../../components/status.tsx";
import { Ago } from "../../components/time.tsx";
import { firstLine } from "../../components/words.ts";
import { attention, dismiss } from "../../live/attention.ts";
import type { Worker } from "../../live/operations.ts";
import { workerPath } from "../../routes.ts";

const mostShown = 5;

/** Workers that wait for an answer or have failed: on top of everything else, and not there where there are none. */
export function AttentionPanel() {
  const needy = useStore(attention);
  const [isWhole, setWhole] = useState(false);
  if (needy.length === 0) return null;
  const shown = isWhole ? needy : needy.slice(0, mostShown);
  const failed = needy.filter(({ status }) => status !== "WAITING");
  return (
    <Panel
      title="Needs you"
      number={needy.length}
      kind="attention"
      actions={
        failed.length > 1 && (
          <button
            type="button"
            className="button"
            data-kind="small"
            onClick={() => dismiss(failed.map(({ id }) => id))}
          >
            Dismiss all failures
          </button>
        )
      }
    >
      <ul data-attention="">
        {shown.map((worker) => (
          <AttentionItem key={worker.id} worker={worker} />
        ))}
      </ul>
      {needy.length > shown.length && (
        <button type="button" className="more-button" onClick={() => setWhole(true)}>
          Show {needy.length - shown.length} more
        </button>
      )}
    </Panel>
  );
}

function AttentionItem({ worker }: { worker: Worker }) {
  const { id, name, status, statusReason, task, branch, repositoryName, finishedAt } = worker;
  return (
    <li className="attention-item">
      <Status status={status} />
      <div className="attention-text">
        <p className="attention-head">
          <a href={workerPath(name)} className="worker-name">
            {name}
          </a>
          <span className="attention-task">{firstLine(task)}</span>
        </p>
        <p className="quiet">
          {status !== "WAITING" && statusReason !== null && (
            <span className="attention-reason">{firstLine(statusReason)} · </span>
          )}
          {repositoryName} · <code>{branch}</code>
          {finishedAt !== null && (
            <>
              {" · "}
              <Ago at={finishedAt} />
            </>
          )}
        </p>
        {worker.pendingPermissions.map((request) => (
          <PermissionRequest key={request.id} worker={worker} request={request} />
        ))}
      </div>
      {status !== "WAITING" && (
        <button
          type="button"
          className="button"
          data-kind="small"
          aria-label={`Dismiss ${name}`}
          onClick={() => dismiss([id])}
        >
          Dismiss
        </button>
      )}
    </li>
  );
}
