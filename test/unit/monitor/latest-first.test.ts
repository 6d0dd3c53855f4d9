import { expect, test } from "@jest/globals";
import { mergeLatestFirst } from "../../../src/monitor/live/latest-first.ts";

const entry = (parent: string, sequence: number, seconds: number) => ({
  key: `${parent}:${String(sequence)}`,
  sequence,
  at: new Date(Date.parse("2026-01-31T12:00:00.000Z") + seconds * 1000).toISOString(),
});
const keys = (entries: readonly { readonly key: string }[]) => entries.map(({ key }) => key);

test("what comes late stands where it happened, whichever stream it came by", () => {
  const first = mergeLatestFirst([], [entry("a", 1, 10), entry("a", 2, 30)], 200);
  const second = mergeLatestFirst(first, [entry("b", 1, 5), entry("b", 2, 20)], 200);
  expect(keys(mergeLatestFirst(second, [entry("c", 1, 40), entry("a", 3, 25)], 200))).toEqual([
    "c:1",
    "a:2",
    "a:3",
    "b:2",
    "a:1",
    "b:1",
  ]);
});

test("within a millisecond a stream's own order counts, an entry stands once, and the oldest are dropped", () => {
  const known = mergeLatestFirst([], [entry("a", 1, 1), entry("a", 2, 1)], 3);
  expect(keys(known)).toEqual(["a:2", "a:1"]);
  const more = [entry("a", 2, 1), entry("a", 3, 1), entry("b", 9, 0), entry("b", 10, 2)];
  expect(keys(mergeLatestFirst(known, more, 3))).toEqual(["b:10", "a:3", "a:2"]);
});
