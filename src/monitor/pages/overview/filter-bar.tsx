import { Search } from "lucide-react";
import { useStore } from "../../client/store.ts";
import { overview } from "../../live/overview.ts";
import type { WorkerStatus } from "../../live/operations.ts";
import { allStatuses, statusWords } from "../../live/states.ts";
import { everything, type Filter } from "./filter.ts";

/** Shown although there are none: their places don't move. */
const always: ReadonlySet<WorkerStatus> = new Set([
  "RUNNING",
  "WAITING",
  "QUEUED",
  "SUCCEEDED",
  "FAILED",
]);

/** What people look for first. */
const order: readonly WorkerStatus[] = [
  "RUNNING",
  "WAITING",
  "QUEUED",
  "PREPARING",
  "SUCCEEDED",
  "FAILED",
  "TIMED_OUT",
  "LOST",
  "CANCELLED",
];

export interface FilterProps {
  readonly filter: Filter;
  readonly onFilter: (filter: Filter) => void;
}

/** How many workers there are, each number a filter. */
export function StatusCounts({ filter, onFilter }: FilterProps) {
  const { counts } = useStore(overview);
  const total = allStatuses.reduce((sum, status) => sum + counts[status], 0);

  function change(status: WorkerStatus | undefined): void {
    onFilter(simplify({ ...filter, status }));
  }

  return (
    <div className="filter-counts" role="group" aria-label="Workers by status">
      <CountButton
        words="all"
        number={total}
        isPressed={filter.status === undefined}
        onClick={() => change(undefined)}
      />
      {order
        .filter((status) => always.has(status) || counts[status] > 0)
        .map((status) => (
          <CountButton
            key={status}
            status={status}
            words={statusWords[status]}
            number={counts[status]}
            isPressed={filter.status === status}
            onClick={() => change(filter.status === status ? undefined : status)}
          />
        ))}
    </div>
  );
}

/** What is typed is looked for in all that is known of a worker. */
export function FilterText({ filter, onFilter }: FilterProps) {
  return (
    <label className="filter-text">
      <Search size={14} aria-hidden="true" />
      <span className="visually-hidden">Filter the workers</span>
      <input
        data-filter=""
        type="search"
        value={filter.text}
        placeholder="Filter"
        onChange={({ target }) => onFilter(simplify({ ...filter, text: target.value }))}
        onKeyDown={(event) => {
          if (event.key === "Escape") event.currentTarget.blur();
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </label>
  );
}

/** One value stands for no filter at all. */
function simplify(filter: Filter): Filter {
  return filter.text === "" && filter.status === undefined ? everything : filter;
}

function CountButton(props: {
  readonly words: string;
  readonly number: number;
  readonly status?: WorkerStatus;
  readonly isPressed: boolean;
  readonly onClick: () => void;
}) {
  return (
    <button
      type="button"
      className="count-button"
      data-status={props.status}
      data-zero={props.number === 0 ? "" : undefined}
      aria-pressed={props.isPressed}
      onClick={props.onClick}
    >
      <span className="count-number">{props.number}</span>
      <span className="count-words">{props.words}</span>
    </button>
  );
}
