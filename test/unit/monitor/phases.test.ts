import { describe, expect, test } from "@jest/globals";
import { tellExact, tellTick, ticksOf } from "../../../src/monitor/pages/chart/axis.ts";
import { nest } from "../../../src/monitor/pages/chart/nest.ts";
import type { StatusMoment, TimedWorker } from "../../../src/monitor/pages/chart/operations.ts";
import {
  barOf,
  barsOf,
  phasesOf,
  runningOf,
  spent,
  stretchesOf,
  totalsOf,
} from "../../../src/monitor/pages/chart/phases.ts";

const start = Date.parse("2026-01-31T12:00:00.000Z");
const moment = (seconds: number) => new Date(start + seconds * 1000).toISOString();
const told = (...moments: [number, StatusMoment["status"]][]): StatusMoment[] =>
  moments.map(([seconds, status]) => ({ at: moment(seconds), status }));

function worker(
  createdAt: number,
  moments: readonly StatusMoment[],
  finishedAt: number | null = null,
  startedAt: number | null = null,
): TimedWorker {
  return {
    id: String(createdAt),
    name: "worker-1",
    agent: "shell",
    branch: "b",
    attempt: 1,
    status: moments.at(-1)?.status ?? "SUCCEEDED",
    statusReason: null,
    usage: null,
    parentWorker: null,
    createdAt: moment(createdAt),
    startedAt: startedAt === null ? null : moment(startedAt),
    finishedAt: finishedAt === null ? null : moment(finishedAt),
    moments,
  };
}

const inSeconds = (phases: ReturnType<typeof phasesOf>) =>
  phases.map(({ status, from, to }) => [
    status,
    (from - start) / 1000,
    to === undefined ? undefined : (to - start) / 1000,
  ]);

describe("the phases of a worker", () => {
  test("are one for as long as its status is the same, whatever it waits for", () => {
    const moments = told([0, "QUEUED"], [1, "QUEUED"], [3, "RUNNING"], [4, "RUNNING"]);
    expect(inSeconds(phasesOf(worker(0, moments, 20)))).toEqual([
      ["QUEUED", 0, 3],
      ["RUNNING", 3, 20],
    ]);
  });

  test("reach from its dispatch to its end, whatever the clocks say in between", () => {
    const moments = told(
      [0.2, "QUEUED"],
      [3, "PREPARING"],
      [5, "RUNNING"],
      [9, "WAITING"],
      [12, "RUNNING"],
      [20.1, "FAILED"],
    );
    expect(inSeconds(phasesOf(worker(0, moments, 20)))).toEqual([
      ["QUEUED", 0, 3],
      ["PREPARING", 3, 5],
      ["RUNNING", 5, 9],
      ["WAITING", 9, 12],
      ["RUNNING", 12, 20],
    ]);
  });

  test("go on where it has not ended, and begin anew with each attempt", () => {
    const moments = told(
      [0, "QUEUED"],
      [1, "PREPARING"],
      [2, "RUNNING"],
      [8, "QUEUED"],
      [9, "PREPARING"],
    );
    const phases = phasesOf(worker(0, moments));
    expect(inSeconds(phases).slice(-3)).toEqual([
      ["RUNNING", 2, 8],
      ["QUEUED", 8, 9],
      ["PREPARING", 9, undefined],
    ]);
    expect(spent(phases, start + 10_000)).toEqual({
      QUEUED: 2000,
      PREPARING: 2000,
      RUNNING: 6000,
      WAITING: 0,
    });
  });

  test("are told in part by the session where its events are gone", () => {
    expect(inSeconds(phasesOf(worker(0, [], 20, 4)))).toEqual([
      ["QUEUED", 0, 4],
      ["RUNNING", 4, 20],
    ]);
    const late = told([9, "WAITING"], [10, "RUNNING"]);
    expect(inSeconds(phasesOf(worker(0, late, 20, 4)))).toEqual([
      ["QUEUED", 0, 4],
      ["RUNNING", 4, 9],
      ["WAITING", 9, 10],
      ["RUNNING", 10, 20],
    ]);
  });
});

test("what ran at once, and what it came to", () => {
  const bars = [
    barOf(worker(0, told([0, "QUEUED"], [0, "PREPARING"], [0, "RUNNING"]), 10)),
    barOf(worker(2, told([2, "QUEUED"], [4, "RUNNING"]), 10)),
    barOf(worker(3, told([3, "QUEUED"]))),
  ];
  const now = start + 20_000;
  expect(runningOf(bars, now).map(({ at, count }) => [(at - start) / 1000, count])).toEqual([
    [0, 1],
    [4, 2],
    [10, 0],
  ]);
  expect(totalsOf(bars, now)).toEqual({
    wallMs: 20_000,
    spent: { QUEUED: 19_000, PREPARING: 0, RUNNING: 16_000, WAITING: 0 },
    parallel: 0.8,
    peak: 2,
  });
});

test("work is apart where it paused for a quarter of an hour", () => {
  const bars = [
    barOf(worker(0, [], 100)),
    barOf(worker(900, [], 1000)),
    barOf(worker(1950, [], 2000)),
  ];
  const stretches = stretchesOf(bars, start + 9_000_000);
  expect(stretches.map(({ from, bars: own }) => [(from - start) / 1000, own.length])).toEqual([
    [1950, 1],
    [0, 2],
  ]);
});

test("ticks are round, and few", () => {
  expect(ticksOf(11_000, 8).map(tellTick)).toEqual(["0", "2s", "4s", "6s", "8s", "10s"]);
  expect(ticksOf(2.6 * 3_600_000, 8).map(tellTick)).toEqual([
    "0",
    "30m",
    "1h",
    "1h 30m",
    "2h",
    "2h 30m",
  ]);
  for (const length of [0, 1, 999, 61_000, 86_400_000, 400 * 86_400_000]) {
    expect(ticksOf(length, 8).length).toBeLessThanOrEqual(9);
  }
  expect([0, 340, 9_960, 61_400, 3_600_000].map(tellExact)).toEqual([
    "0s",
    "0.3s",
    "10s",
    "1m 1s",
    "1h",
  ]);
});

test("a worker stands below the one that dispatched it, where that one is shown", () => {
  const below = (createdAt: number, dispatcher: number): TimedWorker => ({
    ...worker(createdAt, []),
    parentWorker: { id: String(dispatcher), name: "worker-1" },
  });
  const workers = [
    worker(1, []),
    worker(2, []),
    below(3, 1),
    below(4, 3),
    below(5, 0),
    below(6, 2),
    below(7, 1),
  ];
  const told = (bars: ReturnType<typeof nest>) =>
    bars.map(({ worker: { id }, depth }) => [Number(id), depth]);
  const bars = barsOf(workers);
  expect(told(nest(bars))).toEqual([
    [1, 0],
    [3, 1],
    [4, 2],
    [7, 1],
    [2, 0],
    [6, 1],
    [5, 0],
  ]);
  // Those of one dispatcher keep the order in which they come.
  expect(told(nest(bars.toReversed())).map(([id]) => id)).toEqual([5, 2, 6, 1, 7, 3, 4]);
  expect(told(nest(bars.slice(2))).map(([id]) => id)).toEqual([3, 4, 5, 6, 7]);
});
