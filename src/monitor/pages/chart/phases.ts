// How a worker's time was spent, from the moments at which its status changed.
import type { TimedWorker, WorkerStatus } from "./operations.ts";

export type PhaseStatus = Extract<WorkerStatus, "QUEUED" | "PREPARING" | "RUNNING" | "WAITING">;

export const phaseStatuses: readonly PhaseStatus[] = ["QUEUED", "PREPARING", "RUNNING", "WAITING"];

export interface Phase {
  readonly status: PhaseStatus;
  readonly from: number;
  /** undefined: it goes on. */
  readonly to: number | undefined;
}

export interface Bar {
  readonly worker: TimedWorker;
  /** How many of those that are shown stand above it. */
  readonly depth: number;
  readonly from: number;
  /** undefined: it has not ended. */
  readonly to: number | undefined;
  readonly phases: readonly Phase[];
}

type Times = Pick<TimedWorker, "createdAt" | "startedAt" | "finishedAt" | "moments">;

/** A bar stays the same object for as long as its worker does, so that React draws nothing anew. */
const drawn = new WeakMap<TimedWorker, Bar>();

/** @param workers oldest first: whoever dispatched another comes before it */
export function barsOf(workers: readonly TimedWorker[]): Bar[] {
  const depths = new Map<string, number>();
  return workers.map((worker) => {
    const above = worker.parentWorker === null ? undefined : depths.get(worker.parentWorker.id);
    const depth = above === undefined ? 0 : above + 1;
    depths.set(worker.id, depth);
    const before = drawn.get(worker);
    const bar = before?.depth === depth ? before : barOf(worker, depth);
    drawn.set(worker, bar);
    return bar;
  });
}

export function barOf(worker: TimedWorker, depth = 0): Bar {
  return {
    worker,
    depth,
    from: Date.parse(worker.createdAt),
    to: worker.finishedAt === null ? undefined : Date.parse(worker.finishedAt),
    phases: phasesOf(worker),
  };
}

export function phasesOf(times: Times): Phase[] {
  const begin = Date.parse(times.createdAt);
  const end = times.finishedAt === null ? undefined : Date.parse(times.finishedAt);
  // A change is told a moment after it was made.
  const within = (at: number): number => Math.max(begin, Math.min(at, end ?? at));
  // Another reason to wait is a moment, and no other phase.
  const starts = startsOf(times).filter(
    ({ status }, at, all) => at === 0 || status !== all[at - 1]?.status,
  );
  return starts
    .map(({ status, from }, at) => {
      const next = starts[at + 1]?.from ?? end;
      return {
        status,
        from: at === 0 ? begin : within(from),
        to: next === undefined ? undefined : within(next),
      };
    })
    .filter((phase): phase is Phase => isPhase(phase.status))
    .filter(({ from, to }) => to === undefined || to > from);
}

function isPhase(status: WorkerStatus): status is PhaseStatus {
  return phaseStatuses.some((known) => known === status);
}

/** Where the server no longer keeps the first moments, the session itself still tells two of them. */
function startsOf({
  createdAt,
  startedAt,
  moments,
}: Times): { status: WorkerStatus; from: number }[] {
  const told = moments.map(({ at, status }) => ({ status, from: Date.parse(at) }));
  const first = told[0];
  if (first?.status === "QUEUED" && first.from - Date.parse(createdAt) < 1000) return told;
  const known = [
    { status: "QUEUED" as const, from: Date.parse(createdAt) },
    ...(startedAt === null ? [] : [{ status: "RUNNING" as const, from: Date.parse(startedAt) }]),
  ];
  return [...known.filter(({ from }) => first === undefined || from < first.from), ...told];
}

/** How long it was in each status, up to now. */
export function spent(phases: readonly Phase[], now: number): Record<PhaseStatus, number> {
  const sums = { QUEUED: 0, PREPARING: 0, RUNNING: 0, WAITING: 0 };
  for (const { status, from, to } of phases) sums[status] += Math.max(0, (to ?? now) - from);
  return sums;
}

export interface Totals {
  /** From the first dispatch to the last end. */
  readonly wallMs: number;
  /** Of all together. */
  readonly spent: Record<PhaseStatus, number>;
  /** How many ran at once, on average and at most. */
  readonly parallel: number;
  readonly peak: number;
}

export function totalsOf(bars: readonly Bar[], now: number): Totals {
  const { from, to } = spanOf(bars, now);
  const sums = { QUEUED: 0, PREPARING: 0, RUNNING: 0, WAITING: 0 };
  for (const { phases } of bars) {
    const own = spent(phases, now);
    for (const status of phaseStatuses) sums[status] += own[status];
  }
  const wallMs = to - from;
  return {
    wallMs,
    spent: sums,
    parallel: wallMs === 0 ? 0 : sums.RUNNING / wallMs,
    peak: runningOf(bars, now).reduce((most, { count }) => Math.max(most, count), 0),
  };
}

export interface Span {
  readonly from: number;
  readonly to: number;
}

export function spanOf(bars: readonly Bar[], now: number): Span {
  if (bars.length === 0) return { from: now, to: now };
  return {
    from: bars.reduce((least, { from }) => Math.min(least, from), Number.POSITIVE_INFINITY),
    to: bars.reduce((most, { to }) => Math.max(most, to ?? now), 0),
  };
}

/** How many run from each moment on, oldest first. */
export function runningOf(bars: readonly Bar[], now: number): { at: number; count: number }[] {
  const steps = bars
    .flatMap(({ phases }) => phases)
    .filter(({ status }) => status === "RUNNING")
    .flatMap(({ from, to }) => [
      { at: from, step: 1 },
      { at: to ?? now, step: -1 },
    ])
    .sort((one, other) => one.at - other.at || one.step - other.step);
  const counts: { at: number; count: number }[] = [];
  let count = 0;
  for (const { at, step } of steps) {
    count += step;
    const last = counts.at(-1);
    if (last?.at === at) counts[counts.length - 1] = { at, count };
    else counts.push({ at, count });
  }
  return counts;
}

/** Between two stretches of work there is as long a silence, or a longer one. */
const silenceMs = 15 * 60 * 1000;

export interface Stretch extends Span {
  readonly bars: readonly Bar[];
}

/** The work of a parent that is used for days, apart where it paused; the latest first. */
export function stretchesOf(bars: readonly Bar[], now: number): Stretch[] {
  const stretches: { from: number; to: number; bars: Bar[] }[] = [];
  for (const bar of [...bars].sort((one, other) => one.from - other.from)) {
    const last = stretches.at(-1);
    const end = bar.to ?? now;
    if (last === undefined || bar.from - last.to > silenceMs) {
      stretches.push({ from: bar.from, to: end, bars: [bar] });
    } else {
      last.bars.push(bar);
      last.to = Math.max(last.to, end);
    }
  }
  return stretches.reverse();
}
