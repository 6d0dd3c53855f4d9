// npm run bench -- [--quick] [--json FILE] [dispatch] [notify] [list] [memory] [restart] [queue] [history] [agents] [command]
// [metrics] [monitor] [sandbox]
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { benchAgents } from "./agents.ts";
import { benchCommand } from "./command.ts";
import { benchDispatch } from "./dispatch.ts";
import { judge, summarise, type Finding } from "./finding.ts";
import { benchHistory } from "./history.ts";
import { benchList } from "./list.ts";
import { readMachineFacts } from "./machine.ts";
import { benchMemory } from "./memory.ts";
import { benchMetrics } from "./metrics.ts";
import { benchMonitor } from "./monitor.ts";
import { benchNotify } from "./notify.ts";
import { benchQueue } from "./queue.ts";
import { benchRestart } from "./restart.ts";
import { benchSandbox } from "./sandbox.ts";
import { printTable } from "./table.ts";
import { withWorld, type World } from "./world.ts";

const benches: Readonly<Record<string, (world: World) => Promise<Finding[]>>> = {
  dispatch: benchDispatch,
  notify: benchNotify,
  list: benchList,
  memory: benchMemory,
  restart: benchRestart,
  queue: benchQueue,
  history: benchHistory,
  agents: benchAgents,
  command: benchCommand,
  metrics: benchMetrics,
  monitor: benchMonitor,
  sandbox: benchSandbox,
};

const usage = `Usage: npm run bench -- [--quick] [--json FILE] [BENCH…]

Measures on this machine, each beside the least that it can cost. Benches: ${Object.keys(benches).join(", ")}.
Close other programs first: ratios bear their noise better than times do. dispatch needs some 6 GB in the
temporary folder (TMPDIR), history some 4 GB; all is removed afterwards.

  --quick      fewer turns and workers, the small repository alone, a tenth of the history: some 5 minutes
  --json FILE  also writes all that was measured
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      json: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const names = positionals.length === 0 ? Object.keys(benches) : positionals;
  const unknown = names.filter((name) => benches[name] === undefined);
  if (values.help || unknown.length > 0) {
    if (unknown.length > 0) console.error(`There is no bench ${unknown.join(", ")}.\n`);
    console.log(usage);
    return values.help ? 0 : 2;
  }

  return withWorld(values.quick, async (world) => {
    const machine = await readMachineFacts(world.databaseUrl);
    console.log(
      `${Object.entries(machine)
        .map(([fact, value]) => `${fact} ${value}`)
        .join(", ")}\n`,
    );
    const findings: Finding[] = [];
    for (const name of names) {
      const started = performance.now();
      findings.push(...((await benches[name]?.(world)) ?? []));
      console.error(`${name}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
    }
    console.log(`\n${printTable(findings)}\n`);
    if (values.json !== undefined) {
      await writeFile(
        values.json,
        `${JSON.stringify({ machine, findings: findings.map(record) }, undefined, 2)}\n`,
      );
    }
    return 0;
  });
}

function record(finding: Finding): object {
  const { ours, floor } = finding;
  return {
    ...finding,
    ...judge(finding),
    summary: {
      ours: summarise(ours),
      ...(floor === undefined ? {} : { floor: summarise(floor) }),
    },
  };
}

process.exitCode = await main();
