// npm run soak -- --minutes 10 --seed 7
import { parseArgs } from "node:util";
import setUp from "../support/global-setup.ts";
import tearDown from "../support/global-teardown.ts";
import { runSoak } from "./soak.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "2" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
if (!(minutes > 0) || !Number.isInteger(seed)) {
  process.stderr.write("Usage: npm run soak -- [--minutes N] [--seed S], both numbers\n");
  process.exit(2);
}
process.stdout.write(`${String(minutes)} minutes with seed ${String(seed)}\n`);
await setUp();
try {
  const report = await runSoak({ milliseconds: minutes * 60_000, seed });
  process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
  process.exitCode = report.violations.length === 0 ? 0 : 1;
} finally {
  await tearDown();
}
