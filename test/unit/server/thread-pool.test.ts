import { afterEach, expect, jest, test } from "@jest/globals";
import { watchThreadPool, type ThreadPoolWatch } from "../../../src/server/thread-pool.ts";

let watch: ThreadPoolWatch | undefined;

afterEach(() => {
  watch?.close();
  jest.useRealTimers();
});

test("says for how long the pool has answered nothing, and asks it nothing more meanwhile", async () => {
  jest.useFakeTimers();
  const probes: PromiseWithResolvers<void>[] = [];
  const probe = () => {
    const asked = Promise.withResolvers<void>();
    probes.push(asked);
    return asked.promise;
  };
  watch = watchThreadPool({ probe, everyMs: 5_000 });
  await jest.advanceTimersByTimeAsync(31_000);
  expect(watch.waitedMs()).toBe(31_000);
  expect(probes).toHaveLength(1);

  probes[0]!.resolve();
  await jest.advanceTimersByTimeAsync(0);
  expect(watch.waitedMs()).toBe(0);
  await jest.advanceTimersByTimeAsync(5_000);
  expect(probes).toHaveLength(2);
  probes[1]!.reject(new Error("no such folder"));
  await jest.advanceTimersByTimeAsync(0);
  expect(watch.waitedMs()).toBe(0);
});

test("a pool that works answers", async () => {
  let answer: () => void = () => undefined;
  const answered = new Promise<void>((resolve) => (answer = resolve));
  const { stat } = await import("node:fs/promises");
  watch = watchThreadPool({ probe: () => stat("/").finally(() => setImmediate(answer)) });
  await answered;
  expect(watch.waitedMs()).toBe(0);
});
