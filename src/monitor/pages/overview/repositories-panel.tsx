import { FolderGit2, RefreshCw, Trash2 } from "lucide-react";
import { useState } from "react";
import { open } from "../../actions/open.ts";
import { cloneAgain, sync } from "../../actions/sync.ts";
import { useStore } from "../../client/store.ts";
import { useStream } from "../../client/stream.ts";
import { Panel } from "../../components/panel.tsx";
import { StateSign } from "../../components/state-sign.tsx";
import { Ago } from "../../components/time.tsx";
import { repositoryProgress, type Repository } from "../../live/operations.ts";
import { mostPlaces, overview } from "../../live/overview.ts";

const words: Readonly<Record<Repository["status"], string>> = {
  CLONING: "cloning",
  SYNCED: "synced",
  SYNCING: "syncing",
  FAILED: "failed",
  REMOVING: "deleting",
};

export function RepositoriesPanel() {
  const { repositories, placeCounts, isLoaded } = useStore(overview);
  const sorted = [...repositories.values()].sort((one, other) =>
    one.nameWithOwner.localeCompare(other.nameWithOwner),
  );
  return (
    <Panel
      title="Repositories"
      number={placeCounts.repositories}
      actions={
        <button
          type="button"
          className="button"
          data-kind="small"
          onClick={() => open({ kind: "clone" })}
        >
          <FolderGit2 size={13} aria-hidden="true" />
          Clone
        </button>
      }
    >
      {sorted.length === 0 && isLoaded && (
        <p className="panel-empty">Clone one to begin with, or dispatch a worker to it.</p>
      )}
      <ul>
        {sorted.map((repository) => (
          <RepositoryItem key={repository.id} repository={repository} />
        ))}
      </ul>
      {placeCounts.repositories > mostPlaces && (
        <p className="more-note">The oldest {mostPlaces} are shown.</p>
      )}
    </Panel>
  );
}

function RepositoryItem({ repository }: { repository: Repository }) {
  const { nameWithOwner, status, defaultBranch, lastSyncedAt, error } = repository;
  const isCloned = lastSyncedAt !== null;
  const isBusy = status === "CLONING" || status === "SYNCING";
  return (
    <li className="side-item">
      <p className="side-head">
        <StateSign state={status} />
        <span className="side-name">{nameWithOwner}</span>
        <span className="side-end">{words[status]}</span>
        <span className="side-actions">
          <button
            type="button"
            className="icon-button"
            data-kind="small"
            aria-label={isCloned ? `Sync ${nameWithOwner}` : `Clone ${nameWithOwner} again`}
            title={isCloned ? "Fetch from its remote" : "Try to clone it again"}
            disabled={isBusy || status === "REMOVING"}
            onClick={() => void (isCloned ? sync(repository) : cloneAgain(repository))}
          >
            <RefreshCw size={13} aria-hidden="true" data-busy={isBusy ? "" : undefined} />
          </button>
          <button
            type="button"
            className="icon-button"
            data-kind="small"
            aria-label={`Delete ${nameWithOwner}`}
            title="Delete its clone here"
            disabled={isBusy || status === "REMOVING"}
            onClick={() => open({ kind: "delete-repository", repository })}
          >
            <Trash2 size={13} aria-hidden="true" />
          </button>
        </span>
      </p>
      <p className="quiet">
        {defaultBranch !== null && <code>{defaultBranch}</code>}
        {defaultBranch !== null && lastSyncedAt !== null && " · "}
        {lastSyncedAt !== null && (
          <>
            synced <Ago at={lastSyncedAt} />
          </>
        )}
        {isBusy && <Progress repository={repository} />}
      </p>
      {error !== null && <p className="side-error">{error}</p>}
    </li>
  );
}

/** What git says meanwhile. */
function Progress({ repository }: { repository: Repository }) {
  const { id, owner, name, lastSequence } = repository;
  const [now, setNow] = useState<{ message: string | null; progress: number | null } | undefined>();
  const [from] = useState(lastSequence);
  const [heard, setHeard] = useState(from);
  useStream(id, repositoryProgress, () => ({ owner, name, after: heard }), {
    onData({ repositoryChanged: { sequence, message, progress } }) {
      setHeard(sequence);
      setNow({ message, progress });
    },
  });
  if (now === undefined) return null;
  return (
    <>
      {" · "}
      {now.message}
      {now.progress !== null && (
        <progress max={100} value={now.progress} aria-label={`Progress of ${name}`} />
      )}
    </>
  );
}
