import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { createSight } from "../../../src/runners/sight.ts";

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

const pass = (seconds: number) => jest.advanceTimersByTime(seconds * 1000);

test("leases are judged as they stand while the database is reached", () => {
  const sight = createSight(10_000, 30);
  expect(sight.graceMs()).toBe(0);
  for (let look = 0; look < 10; look += 1) {
    pass(10);
    sight.seen();
    expect(sight.graceMs()).toBe(0);
  }
});

test("a lease that stood before an outage stands during it, and for a lease's time after it", () => {
  const sight = createSight(10_000, 30);
  sight.seen();
  pass(10);
  sight.missed();
  // The first that is asked after the outage may come before the next look.
  pass(230);
  expect(sight.graceMs()).toBe(240_000);
  sight.seen();
  pass(20);
  sight.seen();
  expect(sight.graceMs()).toBe(260_000);
  pass(10);
  sight.seen();
  expect(sight.graceMs()).toBe(0);
});

test("a second outage within that time makes one of both", () => {
  const sight = createSight(10_000, 30);
  sight.missed();
  pass(100);
  sight.seen();
  pass(10);
  sight.missed();
  pass(100);
  sight.seen();
  pass(10);
  expect(sight.graceMs()).toBe(220_000);
});

test("a look that hung, or a host that slept, was an outage too", () => {
  const sight = createSight(10_000, 30);
  pass(60);
  expect(sight.graceMs()).toBe(60_000);
  sight.seen();
  pass(1);
  expect(sight.graceMs()).toBe(61_000);
});
