// A dispatch that finds 1,000 sessions in the queue, against one that finds it empty. They wait behind a
// branch in use, so that the runner must look past them all for the one that it can take.
import type { FactoryServer } from "../test/support/factory.ts";
import { alternate } from "./alternate.ts";
import { openConnection, time } from "./connection.ts";
import { timeToAnswer, timeToFirstInstruction } from "./dispatch-times.ts";
import type { Finding } from "./finding.ts";
import { cloneInto, createParent } from "./workers.ts";
import type { World } from "./world.ts";

const queued = 1_000;
const atOnce = 20;
const turns = { whole: 40, quick: 10 };
const target = { kind: "times", most: 2 } as const;
const repository = { owner: "bench", name: "queue" };
const branch = "in-use";
const reasonsQuery =
  "{ workerSessions(first: 100, status: QUEUED) { nodes { name statusReason } } }";

export async function benchQueue(world: World): Promise<Finding[]> {
  await world.git.createRepository(repository.owner, repository.name);
  const full = await open(world);
  const empty = await open(world);
  const count = world.quick ? turns.quick : turns.whole;
  try {
    await fillQueue(full.server);
    return [
      {
        what: `dispatch answered, ${String(queued)} queued`,
        unit: "ms",
        ...(await alternate({ turns: count }, full.answer, empty.answer)),
        target,
      },
      {
        what: `dispatch to first instruction, ${String(queued)} queued`,
        unit: "ms",
        ...(await alternate({ turns: count }, full.start, empty.start)),
        target,
      },
      {
        what: `list of 100 of ${String(queued)} queued, and why`,
        unit: "ms",
        ours: await repeat(count, full.reasons),
      },
    ];
  } finally {
    await full.close();
    await empty.close();
  }
}

interface Side {
  readonly server: FactoryServer;
  /** Milliseconds from a dispatch's request to its answer. */
  readonly answer: () => Promise<number>;
  /** Milliseconds from a dispatch's request to its agent's first instruction. */
  readonly start: () => Promise<number>;
  /** Milliseconds in which a page of the queue is told with the reasons. */
  readonly reasons: () => Promise<number>;
  readonly close: () => Promise<void>;
}

async function open({ git, startServer }: World): Promise<Side> {
  const server = await startServer({ FACTORY_MAX_WORKERS: "2", FACTORY_KILL_GRACE: "0" });
  const connection = openConnection(server);
  await cloneInto(server, { ...repository, url: git.url(repository.owner, repository.name) });
  const parent = createParent(server, "bench-queue");
  // Ends by itself one day, in case that the bench is killed.
  const holder = await parent.dispatch({ repository, branch, task: "exec sleep 1800" });
  await parent.untilRunning(holder.name);
  return {
    server,
    answer: () => timeToAnswer(parent, { repository }),
    start: () => timeToFirstInstruction(parent, { repository }),
    reasons: () => time(() => connection.send(reasonsQuery), "busy with"),
    async close() {
      connection.close();
      await server.dispose();
    },
  };
}

async function fillQueue(server: FactoryServer): Promise<void> {
  const others = createParent(server, "bench-queue-others");
  for (let sent = 0; sent < queued; sent += atOnce) {
    await Promise.all(
      Array.from({ length: atOnce }, () => others.dispatch({ repository, branch, task: "true" })),
    );
  }
}

async function repeat(times: number, measure: () => Promise<number>): Promise<number[]> {
  const values: number[] = [];
  for (let turn = 0; turn <= times; turn += 1) values.push(await measure());
  // The first warms caches.
  return values.slice(1);
}
