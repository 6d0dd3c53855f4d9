// Everything at once, at random: `npm run soak` does it for longer.
import { expect, test } from "@jest/globals";
import { runSoak } from "../soak/soak.ts";

const milliseconds = 60_000;

test("a minute of kills and broken connections at random: nothing is lost, nothing is left", async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  // So that it can be tried again.
  process.stdout.write(`npm run soak -- --minutes 1 --seed ${String(seed)}\n`);
  const report = await runSoak({ milliseconds, seed });
  expect(report.violations).toEqual([]);
  expect(report.sessions).toBeGreaterThan(20);
  expect(report.faults["killServer"]).toBeGreaterThan(0);
}, 360_000);
