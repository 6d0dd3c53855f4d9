import { expect, test } from "@jest/globals";
import { createKeyedRuns } from "../../../src/git/shared-run.ts";

test("the same question under way is asked once, by key, and once more for those who come meanwhile", async () => {
  const runs = createKeyedRuns<number>();
  const first = Promise.withResolvers<number>();
  let asked = 0;
  const ask = (answer: number | Promise<number>) => () => {
    asked += 1;
    return Promise.resolve(answer);
  };
  const early = Array.from({ length: 300 }, () => runs.join("a", ask(first.promise)));
  expect(await runs.join("b", ask(2))).toBe(2);
  expect(asked).toBe(2);
  const late = Array.from({ length: 300 }, () => runs.join("a", ask(9)));
  first.resolve(1);
  expect(new Set(await Promise.all(early))).toEqual(new Set([1]));
  await Promise.all(late);
  expect(asked).toBe(3);
  expect(await runs.join("a", ask(4))).toBe(4);
});
