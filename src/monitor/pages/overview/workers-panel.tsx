import { ChevronRight } from "lucide-react";
import { createContext, memo, useContext, useMemo, useState } from "react";
import { open } from "../../actions/open.ts";
import { useStore } from "../../client/store.ts";
import { EmptyState } from "../../components/empty-state.tsx";
import { useGradual } from "../../components/gradual.ts";
import { Panel } from "../../components/panel.tsx";
import { loadOlder } from "../../components/watch.tsx";
import { tellCost, tellWholeUsage } from "../../components/words.ts";
import { reports } from "../../live/activity.ts";
import type { Parent, Worker } from "../../live/operations.ts";
import { mostLive, overview } from "../../live/overview.ts";
import { liveStatuses, statusWords } from "../../live/states.ts";
import { buildTree, cutTree, type ParentNode, type WorkerNode } from "../../live/tree.ts";
import { timeChartPath } from "../../routes.ts";
import { everything } from "./filter.ts";
import { FilterText, type FilterProps } from "./filter-bar.tsx";
import { WorkerRow } from "./worker-row.tsx";

/** What each worker reported last. */
const Reports = createContext<ReadonlyMap<string, string>>(new Map());

/** Of one parent's workers that have ended, so many are shown at first. */
const mostEnded = 8;

/** @param workers those that the filter lets through */
export function WorkersPanel({ workers, filter, onFilter }: { workers: Worker[] } & FilterProps) {
  const isFiltered = filter !== everything;
  const { parents, isLoaded, hasOlder, counts } = useStore(overview);
  const told = useStore(reports);
  const drawn = useGradual(workers.length);
  const tree = useMemo(() => buildTree(workers, parents), [workers, parents]);
  const shown = useMemo(() => cutTree(tree, drawn), [tree, drawn]);
  const live = liveStatuses.reduce((sum, status) => sum + counts[status], 0);
  return (
    <Panel
      title="Workers"
      number={isFiltered ? workers.length : undefined}
      actions={<FilterText filter={filter} onFilter={onFilter} />}
    >
      {tree.length === 0 && isLoaded && <NoWorkers isFiltered={isFiltered} />}
      <Reports value={told}>
        {shown.map((node) => (
          <ParentGroup key={node.name} node={node} isFiltered={isFiltered} />
        ))}
      </Reports>
      {live > mostLive && (
        <p className="more-note">
          {live - mostLive} more workers are queued or at work: filter by status, or ask GraphiQL.
        </p>
      )}
      {hasOlder && (
        <button type="button" className="more-button" onClick={loadOlder}>
          Load older workers
        </button>
      )}
    </Panel>
  );
}

function NoWorkers({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered) {
    return (
      <EmptyState title="No worker is like that">
        <p>Among those that are loaded. Change the filter, or load older workers below.</p>
      </EmptyState>
    );
  }
  return (
    <EmptyState title="No workers yet">
      <p>
        Dispatch one: it gets a branch and a worktree of its own, and you see here what it does.
      </p>
      <button
        type="button"
        className="button"
        data-kind="primary"
        onClick={() => open({ kind: "dispatch" })}
      >
        Dispatch a worker
      </button>
    </EmptyState>
  );
}

function ParentGroup({ node, isFiltered }: { node: ParentNode; isFiltered: boolean }) {
  // As the person chose, else open where something is at work.
  const [chosen, setChosen] = useState<boolean | undefined>(undefined);
  const isOpen = chosen ?? (node.isLive || isFiltered || node.size <= mostEnded);
  const { name, parent, workers } = node;
  return (
    <div className="parent">
      <div className="parent-head">
        <h3 className="parent-title">
          <button
            type="button"
            className="parent-button"
            aria-expanded={isOpen}
            onClick={() => setChosen(!isOpen)}
          >
            <ChevronRight size={14} className="chevron" aria-hidden="true" />
            <span className="parent-name">{name}</span>
          </button>
        </h3>
        {parent !== undefined && <ParentFacts parent={parent} />}
        <a href={timeChartPath(name)} className="parent-link">
          Time chart<span className="visually-hidden"> of {name}</span>
        </a>
      </div>
      {isOpen && <WorkerList nodes={workers} isWhole={isFiltered} label={`Workers of ${name}`} />}
    </div>
  );
}

const ParentFacts = memo(function ParentFacts({ parent }: { parent: Parent }) {
  const { workerCounts: counts, usage, maxCostUsd } = parent;
  const parts = [
    ["RUNNING", counts.running],
    ["WAITING", counts.waiting],
    ["PREPARING", counts.preparing],
    ["QUEUED", counts.queued],
    ["FAILED", counts.failed + counts.timedOut + counts.lost],
    ["SUCCEEDED", counts.succeeded],
  ] as const;
  return (
    <p className="parent-facts">
      {parts
        .filter(([, number]) => number > 0)
        .map(([status, number]) => (
          <span key={status} className="parent-count" data-status={status}>
            {number} {statusWords[status]}
          </span>
        ))}
      {usage?.costUsd != null && (
        <span title={tellWholeUsage(usage)}>
          {tellCost(usage.costUsd)}
          {maxCostUsd !== null && ` of ${tellCost(maxCostUsd)}`}
        </span>
      )}
    </p>
  );
});

function WorkerList({
  nodes,
  isWhole,
  label,
}: {
  nodes: readonly WorkerNode[];
  isWhole: boolean;
  label: string;
}) {
  const [isAsked, setAsked] = useState(false);
  const live = nodes.filter(({ isLive }) => isLive).length;
  const shown = isWhole || isAsked ? nodes : nodes.slice(0, live + mostEnded);
  const hidden = nodes.length - shown.length;
  return (
    <ul className="worker-list" aria-label={label}>
      {shown.map((node) => (
        <WorkerItem key={node.worker.id} node={node} isWhole={isWhole} />
      ))}
      {hidden > 0 && (
        <li>
          <button type="button" className="more-button" onClick={() => setAsked(true)}>
            Show {hidden} more that have ended
          </button>
        </li>
      )}
    </ul>
  );
}

function WorkerItem({ node, isWhole }: { node: WorkerNode; isWhole: boolean }) {
  const { worker, children } = node;
  const report = useContext(Reports).get(worker.id);
  return (
    <li className="worker-item">
      <WorkerRow worker={worker} report={report} />
      {children.length > 0 && (
        <WorkerList nodes={children} isWhole={isWhole} label={`Workers of ${worker.name}`} />
      )}
    </li>
  );
}
