// Memory at rest and per running worker, of all that is Factory's: the server, its Postgres, the shims.
import { setTimeout as delay } from "node:timers/promises";
import type { FactoryServer } from "../test/support/factory.ts";
import type { Finding } from "./finding.ts";
import { descendantsOf, listProcesses, readMemory } from "./process-memory.ts";
import { cloneInto, createParent } from "./workers.ts";
import type { World } from "./world.ts";

const workerCount = 20;
/** Ends by itself soon, in case that the bench is killed. */
const task = "exec sleep 120";
/** What the start or the last requests left to be done, or to be freed, is done after this time. */
const settleMs = { whole: 5_000, quick: 2_000 };

export async function benchMemory({ git, quick, startServer }: World): Promise<Finding[]> {
  await git.createRepository("bench", "memory");
  const repository = { owner: "bench", name: "memory" };
  const server = await startServer({
    // Without one it starts a Postgres of its own.
    DATABASE_URL: "",
    FACTORY_MAX_WORKERS: String(workerCount),
    FACTORY_KILL_GRACE: "0",
  });
  const parent = createParent(server, "bench-memory");
  const running: string[] = [];
  try {
    const started = await sample(server, quick);
    await cloneInto(server, { ...repository, url: git.url("bench", "memory") });
    // What one worker needs is loaded once, and is no matter of each further one.
    const first = await parent.dispatch({ repository, task: "true" });
    await parent.untilEnded(first.name);
    const used = await sample(server, quick);
    for (let worker = 0; worker < workerCount; worker += 1) {
      running.push((await parent.dispatch({ repository, task })).name);
    }
    await Promise.all(running.map((name) => parent.untilRunning(name)));
    const busy = await sample(server, quick);
    return explain(started, used, busy);
  } finally {
    await Promise.all(running.map((name) => parent.cancel(name)));
    await server.dispose();
  }
}

function explain(started: Sample, used: Sample, busy: Sample): Finding[] {
  const atRest = { kind: "absolute", most: 250 } as const;
  const perWorker = (part: keyof Sample) => [(busy[part] - used[part]) / workerCount];
  const unit = "MB";
  return [
    { what: "at rest, just started", unit, ours: [started.whole], target: atRest },
    { what: "  of which the server", unit, ours: [started.server] },
    { what: "  of which Postgres", unit, ours: [started.postgres] },
    { what: "at rest, after a first worker", unit, ours: [used.whole], target: atRest },
    {
      what: `per worker, of ${String(workerCount)} that run`,
      unit,
      ours: perWorker("whole"),
      target: { kind: "absolute", most: 5 },
    },
    { what: "  of which the server", unit, ours: perWorker("server") },
    { what: "  of which Postgres", unit, ours: perWorker("postgres") },
    { what: "  of which the shim", unit, ours: perWorker("shims") },
  ];
}

interface Sample {
  readonly server: number;
  readonly postgres: number;
  readonly shims: number;
  /** The three together: without the agents. */
  readonly whole: number;
}

async function sample({ process: { pid } }: FactoryServer, quick: boolean): Promise<Sample> {
  if (pid === undefined) throw new Error("the server has no process");
  await delay(quick ? settleMs.quick : settleMs.whole);
  const descendants = descendantsOf([pid], await listProcesses());
  const those = (sign: RegExp) => descendants.filter(({ command }) => sign.test(command));
  const memoryOf = (sign: RegExp) => readMemory(those(sign).map((each) => each.pid));
  const [server, postgres, shims] = await Promise.all([
    readMemory([pid]),
    memoryOf(/postgres/),
    memoryOf(/shim\.sh/),
  ]);
  return { server, postgres, shims, whole: server + postgres + shims };
}
