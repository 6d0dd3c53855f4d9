import { memo, useRef, useState, type KeyboardEvent } from "react";
import { Status } from "../../components/status.tsx";
import { tellUsage } from "../../components/words.ts";
import { statusWords } from "../../live/states.ts";
import { workerPath } from "../../routes.ts";
import { tellExact, tellTick, ticksOf } from "./axis.ts";
import { BarDetails } from "./bar-details.tsx";
import { Legend } from "./legend.tsx";
import { indent } from "./indent.ts";
import { phaseStatuses, runningOf, spanOf, spent, type Bar, type Span } from "./phases.ts";

const mostTicks = 8;

/** A bar for each worker, from the queue to its end, on one axis. */
export function Chart({ bars, now }: { bars: readonly Bar[]; now: number }) {
  const span = spanOf(bars, now);
  const [focused, setFocused] = useState<string | undefined>(undefined);
  const [hovered, setHovered] = useState<string | undefined>(undefined);
  const list = useRef<HTMLOListElement>(null);
  const shown = bars.find(({ worker }) => worker.id === (hovered ?? focused));
  // One of the rows is reached by the tab key, the others by the arrows from there.
  const reached = bars.some(({ worker }) => worker.id === focused) ? focused : bars[0]?.worker.id;

  function onKey(event: KeyboardEvent): void {
    const rows = [...(list.current?.querySelectorAll<HTMLElement>("a.bar-row") ?? [])];
    const at = rows.findIndex((row) => row === document.activeElement);
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    rows[Math.min(rows.length - 1, Math.max(0, next))]?.focus();
  }

  return (
    <figure className="chart" aria-label="Workers over time">
      <Legend bars={bars} />
      <div className="chart-rows">
        <Axis span={span} />
        <Load bars={bars} span={span} now={now} />
        <ol
          ref={list}
          className="bars"
          onKeyDown={onKey}
          onPointerLeave={() => setHovered(undefined)}
          onBlur={() => setHovered(undefined)}
        >
          {bars.map((bar) => (
            <BarRow
              key={bar.worker.id}
              bar={bar}
              from={span.from}
              to={span.to}
              now={bar.to === undefined ? now : undefined}
              isReached={bar.worker.id === reached}
              onFocus={setFocused}
              onHover={setHovered}
            />
          ))}
        </ol>
      </div>
      <BarDetails bar={shown} now={now} />
    </figure>
  );
}

function percent(value: number): string {
  return `${(value * 100).toFixed(3)}%`;
}

function Axis({ span: { from, to } }: { span: Span }) {
  const length = Math.max(1, to - from);
  return (
    <div className="axis" aria-hidden="true">
      <span />
      <svg className="axis-lines">
        {ticksOf(length, mostTicks).map((tick) => (
          <g key={tick}>
            <line x1={percent(tick / length)} x2={percent(tick / length)} y1="18" y2="100%" />
            <text x={percent(tick / length)} y="12" textAnchor={tick === 0 ? "start" : "middle"}>
              {tellTick(tick)}
            </text>
          </g>
        ))}
      </svg>
    </div>
  );
}

const loadHeight = 34;

/** How many ran at once. */
function Load({
  bars,
  span: { from, to },
  now,
}: {
  bars: readonly Bar[];
  span: Span;
  now: number;
}) {
  const steps = runningOf(bars, now);
  const peak = steps.reduce((most, { count }) => Math.max(most, count), 1);
  const length = Math.max(1, to - from);
  return (
    <div className="load">
      <span className="load-label">{peak} at once</span>
      <svg className="load-area" height={loadHeight} aria-hidden="true">
        {steps.map(({ at, count }, index) => {
          const end = steps[index + 1]?.at ?? at;
          const height = (count / peak) * loadHeight;
          return (
            count > 0 && (
              <rect
                key={at}
                x={percent((at - from) / length)}
                width={percent((end - at) / length)}
                y={loadHeight - height}
                height={height}
              />
            )
          );
        })}
      </svg>
      <span />
    </div>
  );
}

interface BarRowProps {
  readonly bar: Bar;
  readonly from: number;
  readonly to: number;
  /** undefined: it has ended. */
  readonly now: number | undefined;
  readonly isReached: boolean;
  readonly onFocus: (id: string) => void;
  readonly onHover: (id: string) => void;
}

const barHeight = 16;
/** What is shorter would not be seen. */
const leastWidth = "2px";
const capWidth = 5;

const BarRow = memo(function BarRow(props: BarRowProps) {
  const { bar, from, to, now, isReached, onFocus, onHover } = props;
  const { worker, phases, depth } = bar;
  const length = Math.max(1, to - from);
  const end = bar.to ?? now ?? to;
  return (
    <li data-depth={depth} onPointerEnter={() => onHover(worker.id)}>
      <a
        href={workerPath(worker.name)}
        className="bar-row"
        data-worker-link
        tabIndex={isReached ? 0 : -1}
        onFocus={() => onFocus(worker.id)}
      >
        <span className="bar-name" style={indent(depth)}>
          <span className="bar-worker">{worker.name}</span>
          <span className="bar-branch">{worker.branch}</span>
        </span>
        <svg className="bar" height={barHeight} aria-hidden="true">
          {phases.map((phase) => (
            <rect
              key={phase.from}
              className="phase"
              data-status={phase.status}
              x={percent((phase.from - from) / length)}
              style={{
                width: `max(${leastWidth}, ${percent(((phase.to ?? end) - phase.from) / length)})`,
              }}
              height={barHeight}
            />
          ))}
          {bar.to !== undefined && (
            <rect
              className="bar-end"
              data-status={worker.status}
              x={percent((bar.to - from) / length)}
              width={capWidth}
              height={barHeight}
            />
          )}
        </svg>
        <span className="bar-tail">
          <Status status={worker.status} />
          <span className="bar-figure">{tellExact(end - bar.from)}</span>
        </span>
        <span className="visually-hidden">{describe(bar, end)}</span>
      </a>
    </li>
  );
});

/** What the bar shows, for those who don't see it. */
function describe({ worker, phases }: Bar, end: number): string {
  const sums = spent(phases, end);
  const parts = phaseStatuses
    .filter((status) => sums[status] > 0)
    .map((status) => `${statusWords[status]} ${tellExact(sums[status])}`);
  return [
    worker.agent,
    ...(worker.parentWorker === null ? [] : [`dispatched by ${worker.parentWorker.name}`]),
    ...parts,
    ...(worker.usage === null ? [] : [tellUsage(worker.usage)]),
  ].join(", ");
}
