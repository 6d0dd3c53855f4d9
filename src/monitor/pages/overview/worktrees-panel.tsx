import { ArrowRight, GitBranchPlus, Play, Trash2 } from "lucide-react";
import { Fragment, useMemo, useState } from "react";
import { open } from "../../actions/open.ts";
import { useStore } from "../../client/store.ts";
import { Panel } from "../../components/panel.tsx";
import { StateSign } from "../../components/state-sign.tsx";
import type { Worktree } from "../../live/operations.ts";
import { mostPlaces, overview } from "../../live/overview.ts";
import { workerPath } from "../../routes.ts";

const mostShown = 12;

const words: Readonly<Record<Worktree["status"], string>> = {
  CREATING: "creating",
  READY: "ready",
  RUNNING: "running",
  REMOVING: "deleting",
  FAILED: "failed",
};

export function WorktreesPanel() {
  const { worktrees, placeCounts } = useStore(overview);
  const [isWhole, setWhole] = useState(false);
  const sorted = useMemo(() => sortWorktrees(worktrees.values()), [worktrees]);
  const shown = isWhole ? sorted : sorted.slice(0, mostShown);
  return (
    <Panel
      title="Worktrees"
      number={placeCounts.worktrees}
      actions={
        <button
          type="button"
          className="button"
          data-kind="small"
          onClick={() => open({ kind: "create-worktree" })}
        >
          <GitBranchPlus size={13} aria-hidden="true" />
          Create
        </button>
      }
    >
      {sorted.length === 0 && (
        <p className="panel-empty">A dispatched worker gets one by itself, for its branch.</p>
      )}
      {[...Map.groupBy(shown, ({ repository }) => repository.nameWithOwner)].map(
        ([name, group]) => (
          <Fragment key={name}>
            <h3 className="side-group">{name}</h3>
            <ul>
              {group.map((worktree) => (
                <WorktreeItem key={worktree.id} worktree={worktree} />
              ))}
            </ul>
          </Fragment>
        ),
      )}
      {sorted.length > shown.length && (
        <button type="button" className="more-button" onClick={() => setWhole(true)}>
          Show {sorted.length - shown.length} more
        </button>
      )}
      {isWhole && placeCounts.worktrees > mostPlaces && (
        <p className="more-note">The youngest {mostPlaces} are shown.</p>
      )}
    </Panel>
  );
}

function WorktreeItem({ worktree }: { worktree: Worktree }) {
  const { branch, status, error, repository, activeWorker } = worktree;
  const isFree = status === "READY" || status === "FAILED";
  return (
    <li className="side-item">
      <p className="side-head">
        <StateSign state={status} />
        <code className="side-code">{branch}</code>
        {activeWorker !== null && (
          <span className="side-arrow">
            <ArrowRight size={12} aria-label="worked on by" />
            <a href={workerPath(activeWorker.name)} className="worker-name">
              {activeWorker.name}
            </a>
          </span>
        )}
        <span className="side-end">{words[status]}</span>
        {isFree && (
          <span className="side-actions">
            <button
              type="button"
              className="icon-button"
              data-kind="small"
              aria-label={`Dispatch to ${branch}`}
              title="Dispatch a worker to this branch"
              onClick={() =>
                open({ kind: "dispatch", repository: repository.nameWithOwner, branch })
              }
            >
              <Play size={13} aria-hidden="true" />
            </button>
            <button
              type="button"
              className="icon-button"
              data-kind="small"
              aria-label={`Delete the worktree of ${branch}`}
              title="Delete this worktree"
              onClick={() => open({ kind: "delete-worktree", worktree })}
            >
              <Trash2 size={13} aria-hidden="true" />
            </button>
          </span>
        )}
      </p>
      {error !== null && <p className="side-error">{error}</p>}
    </li>
  );
}

const urgency: Readonly<Record<Worktree["status"], number>> = {
  RUNNING: 0,
  CREATING: 1,
  FAILED: 2,
  REMOVING: 3,
  READY: 4,
};

/** Those at work first, then the youngest. */
function sortWorktrees(worktrees: Iterable<Worktree>): Worktree[] {
  return [...worktrees].sort(
    (one, other) =>
      urgency[one.status] - urgency[other.status] ||
      Date.parse(other.createdAt) - Date.parse(one.createdAt),
  );
}
