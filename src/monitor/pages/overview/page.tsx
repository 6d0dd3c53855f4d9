import { useDeferredValue, useMemo, useState } from "react";
import { useStore } from "../../client/store.ts";
import { FailureNote } from "../../components/failure-note.tsx";
import { usePageTitle } from "../../components/page-title.ts";
import { overview } from "../../live/overview.ts";
import { ActivityPanel } from "./activity-panel.tsx";
import { AttentionPanel } from "./attention-panel.tsx";
import { StatusCounts } from "./filter-bar.tsx";
import { everything, filterWorkers, type Filter } from "./filter.ts";
import { QueuePanel } from "./queue-panel.tsx";
import { RepositoriesPanel } from "./repositories-panel.tsx";
import { WorkersPanel } from "./workers-panel.tsx";
import { WorktreesPanel } from "./worktrees-panel.tsx";
import "./overview.css";

export function OverviewPage() {
  usePageTitle("");
  const { workers, isLoaded, failure } = useStore(overview);
  const [filter, setFilter] = useState<Filter>(everything);
  // Typing goes on while a long list is drawn.
  const deferred = useDeferredValue(filter);
  const shown = useMemo(() => filterWorkers(workers.values(), deferred), [workers, deferred]);

  return (
    <div className="overview" aria-busy={!isLoaded}>
      <h1 className="visually-hidden">Overview</h1>
      <div className="overview-main">
        <FailureNote failure={failure} />
        <AttentionPanel />
        <StatusCounts filter={filter} onFilter={setFilter} />
        <WorkersPanel workers={shown} filter={filter} onFilter={setFilter} />
      </div>
      <div className="overview-side">
        <QueuePanel />
        <WorktreesPanel />
        <RepositoriesPanel />
        <ActivityPanel />
      </div>
    </div>
  );
}
