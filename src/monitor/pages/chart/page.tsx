import { ChartGantt, Table2 } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { useStore } from "../../client/store.ts";
import { EmptyState } from "../../components/empty-state.tsx";
import { FailureNote } from "../../components/failure-note.tsx";
import { usePageTitle } from "../../components/page-title.ts";
import { routes, workerPath } from "../../routes.ts";
import { Chart } from "./chart.tsx";
import "../../theme/phases.css";
import "./chart.css";
import { createParentFollower, type ParentState } from "./follow-parent.ts";
import { nest } from "./nest.ts";
import { barsOf, stretchesOf, type Bar } from "./phases.ts";
import { orders, sortBars, type Order } from "./order.ts";
import { StretchSelect } from "./stretch-select.tsx";
import { TimeTable } from "./time-table.tsx";
import { TotalsView } from "./totals.tsx";
import { useNow } from "./use-now.ts";

export default function TimeChartPage({ parent }: { parent: string }) {
  usePageTitle(`${parent}: time`);
  const [follower] = useState(() => createParentFollower(parent));
  useEffect(() => follower.start(), [follower]);
  const state = useStore(follower.state);

  if (!state.isLoaded && state.workers.length === 0) {
    return state.failure === undefined ? null : <FailureNote failure={state.failure} />;
  }
  return (
    <div className="chart-page">
      <div className="chart-head">
        <p className="crumbs">
          <a href={routes.overview}>Overview</a>
          <span aria-hidden="true"> / </span>
          {/^worker-\d+$/.test(parent) ? <a href={workerPath(parent)}>{parent}</a> : parent}
        </p>
        <h1>How {parent}’s time was spent</h1>
      </div>
      {state.workers.length === 0 ? (
        <EmptyState title={`${parent} has dispatched no workers yet`}>
          <p>As soon as it does, each stands here as a bar, from the queue to its end.</p>
        </EmptyState>
      ) : (
        <Work state={state} onEarlier={follower.loadEarlier} />
      )}
      <FailureNote failure={state.failure} />
    </div>
  );
}

function Work({ state, onEarlier }: { state: ParentState; onEarlier: () => void }) {
  const { workers, maxCostUsd, hasEarlier } = state;
  const isLive = workers.some(({ finishedAt }) => finishedAt === null);
  const now = useNow(isLive);
  const [stretch, setStretch] = useState("");
  const [order, setOrder] = useState<Order>("dispatched");
  const [isTable, setTable] = useState(false);
  const bars = useMemo(() => barsOf(workers), [workers]);
  const stretches = stretchesOf(bars, now);
  const shown = chooseBars(bars, stretches, stretch);
  const sorted = nest(sortBars(shown, order, now));

  return (
    <>
      <TotalsView bars={shown} now={now} maxCostUsd={maxCostUsd} />
      <div className="chart-bar">
        <StretchSelect stretches={stretches} value={stretch} onValue={setStretch} />
        <label className="chart-choice">
          Order
          <select
            className="input"
            value={order}
            onChange={({ currentTarget }) =>
              setOrder(
                orders.find(({ name }) => name === currentTarget.value)?.name ?? "dispatched",
              )
            }
          >
            {orders.map(({ name, words }) => (
              <option key={name} value={name}>
                {words}
              </option>
            ))}
          </select>
        </label>
        <span className="spring" />
        <button
          type="button"
          className="button"
          aria-pressed={isTable}
          onClick={() => setTable(!isTable)}
        >
          {isTable ? (
            <ChartGantt size={15} aria-hidden="true" />
          ) : (
            <Table2 size={15} aria-hidden="true" />
          )}
          {isTable ? "Chart" : "Table"}
        </button>
      </div>
      {isTable ? <TimeTable bars={sorted} now={now} /> : <Chart bars={sorted} now={now} />}
      {hasEarlier && (
        <p className="chart-earlier">
          The youngest {workers.length.toLocaleString("en")} workers are shown.{" "}
          <button type="button" className="button" data-kind="small" onClick={onEarlier}>
            Load earlier ones
          </button>
        </p>
      )}
    </>
  );
}

/** "": the latest stretch; "all": everything; else the stretch that begins then. */
function chooseBars(
  bars: readonly Bar[],
  stretches: ReturnType<typeof stretchesOf>,
  value: string,
): readonly Bar[] {
  if (value === "all") return bars;
  return (stretches.find(({ from }) => String(from) === value) ?? stretches[0])?.bars ?? bars;
}
