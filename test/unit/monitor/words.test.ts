import { expect, test } from "@jest/globals";
import {
  tellAgo,
  tellCost,
  tellDuration,
  tellUsage,
} from "../../../src/monitor/components/words.ts";

test("durations are told in the unit that matters", () => {
  const tell = (seconds: number) => tellDuration(seconds * 1000);
  expect([0, 59.9, 60, 3599, 3600, 7500, 86_399, 86_400, 200_000].map(tell)).toEqual([
    "0s",
    "59s",
    "1m",
    "59m",
    "1h 00m",
    "2h 05m",
    "23h 59m",
    "1d",
    "2d",
  ]);
  // A server whose clock is ahead.
  expect(tellDuration(-5000)).toBe("0s");
});

test("what has just been is no number", () => {
  const now = Date.parse("2026-01-31T12:00:00.000Z");
  expect(tellAgo("2026-01-31T11:59:57.000Z", now)).toBe("just now");
  expect(tellAgo("2026-01-31T11:30:00.000Z", now)).toBe("30m ago");
});

test("usage is told by its cost, else by its tokens", () => {
  expect(tellUsage({ costUsd: 1.5, inputTokens: 1000, outputTokens: 2 })).toBe("$1.50");
  expect(tellUsage({ costUsd: null, inputTokens: 12_000, outputTokens: 345 })).toBe("12.3K tok");
  expect([0, 0.001, 0.004_999, 0.005].map(tellCost)).toEqual([
    "$0.00",
    "<$0.01",
    "<$0.01",
    "$0.01",
  ]);
});
