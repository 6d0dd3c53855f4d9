import { expect, test } from "@jest/globals";
import { findShortage } from "../../../src/workers/memory-floor.ts";

const gibibyte = 2 ** 30;

test.each([
  [gibibyte, gibibyte - 1, /1024 MiB of memory free \(FACTORY_MEMORY_FLOOR\)/],
  [gibibyte, gibibyte, null],
  [0, 0, null],
])("with a floor of %d and %d free it is %s", (floor, free, reason) => {
  const found = findShortage({ floor, available: () => free });
  if (reason === null) expect(found).toBeNull();
  else expect(found).toMatch(reason);
});

test("is told in the same words while it lasts, and the kernel is asked by default", () => {
  const told = [1, 2].map((free) => findShortage({ floor: 3, available: () => free }));
  expect(told[0]).toBe(told[1]);
  expect(findShortage({ floor: 2 ** 52 })).not.toBeNull();
  expect(findShortage({ floor: 1 })).toBeNull();
});
