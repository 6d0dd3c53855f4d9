// Some minutes in which everything happens to a server, and what must hold afterwards.
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { actAtRandom } from "./actions.ts";
import {
  checkFailures,
  checkFiles,
  checkParent,
  checkProcesses,
  checkRepository,
  checkStream,
  checkSubscriber,
  readEvents,
} from "./checks.ts";
import { breakAtRandom } from "./faults.ts";
import { createRandom } from "./random.ts";
import { follow, isFinal, type SessionEvent } from "./subscriber.ts";
import { createWorld, repositories, type Session, type World } from "./world.ts";

const clients = 3;
/** Sessions that haven't ended, from which on clients wait: how fast the machine is must not decide what is left. */
const mostOpen = 24;
/** How long it may take, once nothing happens any more, until the next session ends. */
const stillMs = 90_000;

export interface SoakReport {
  readonly sessions: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly events: number;
  readonly commits: number;
  readonly resumed: number;
  readonly faults: Readonly<Record<string, number>>;
  /** Empty where all held. */
  readonly violations: readonly string[];
}

/** Ends by itself. The seed decides what is done; when it meets what, the machine does. */
export async function runSoak(options: {
  readonly milliseconds: number;
  readonly seed: number;
}): Promise<SoakReport> {
  const random = createRandom(options.seed);
  const world = await createWorld();
  const giveUp = new AbortController();
  try {
    const over = AbortSignal.timeout(options.milliseconds);
    const pause = (from: number, to: number) => () =>
      delay(random.whole(from, to), undefined, { signal: over }).catch(() => undefined);
    const following = new Map<Session, ReturnType<typeof follow>>();
    const acting = Array.from({ length: clients }, () =>
      actAtRandom(world, random, over, async () => {
        for (const session of world.sessions) {
          if (!following.has(session)) {
            following.set(session, follow(world, session.id, giveUp.signal));
          }
        }
        await pause(50, 400)();
        while (!over.aborted && (await countOpen(world)) > mostOpen) await pause(200, 400)();
      }),
    );
    const [faults] = await Promise.all([
      breakAtRandom(world, random, over, pause(300, 2_000)),
      ...acting,
    ]);
    await settle(world);
    // Who was away meanwhile comes back, and hears of the end.
    await Promise.race([
      Promise.all(following.values()),
      delay(stillMs, undefined, { ref: false }),
    ]);
    giveUp.abort();
    return await inspect(world, faults, following);
  } finally {
    giveUp.abort();
    await world.dispose();
  }
}

/**
 * Until every session has its last status and nothing is on its way out any more. A lock of a git that was
 * killed goes with a sweep, once it is old enough; that is not waited for, but asked for.
 */
async function settle(world: World): Promise<void> {
  let deadline = performance.now() + stillMs;
  let before = Infinity;
  for (;;) {
    const open = await countOpen(world);
    if (open < before) deadline = performance.now() + stillMs;
    before = open;
    const isOver = open === 0;
    const isQuiet = isOver && (await checkFiles(world)).length === 0;
    if (isQuiet || performance.now() > deadline) return;
    if (isOver) {
      await world.ask(`mutation { runMaintenance(input: { task: SWEEP }) { actions } }`, {});
    }
    await delay(500);
  }
}

async function countOpen(world: World): Promise<number> {
  const [row] = await world.queryDatabase<{ open: number }>(
    `SELECT count(*)::int AS open FROM "WorkerSession" WHERE "finishedAt" IS NULL`,
  );
  return row?.open ?? 0;
}

async function inspect(
  world: World,
  faults: Readonly<Record<string, number>>,
  following: ReadonlyMap<Session, ReturnType<typeof follow>>,
): Promise<SoakReport> {
  const violations = [...world.violations, ...world.errors()];
  const statuses: Record<string, number> = {};
  const work = new Map<string, Map<string, string>>(
    repositories.map(({ name }) => [name, new Map()]),
  );
  let events = 0;
  let resumed = 0;
  for (const session of world.sessions) {
    const stored = await readEvents(world, session);
    events += stored.length;
    violations.push(...checkStream(session.name, stored));
    const last = stored.findLast(isFinal)?.status ?? "none";
    statuses[last] = (statuses[last] ?? 0) + 1;
    for (const commit of commitsIn(stored))
      work.get(session.repository.name)?.set(commit, session.name);
    const subscriber = await following.get(session);
    if (subscriber === undefined) continue;
    resumed += subscriber.resumed;
    violations.push(...checkSubscriber(session.name, subscriber.events, stored));
  }
  violations.push(...(await checkFailures(world, faults["killShim"] ?? 0)));
  violations.push(...(await checkParent(world)));
  violations.push(...(await checkProcesses(world)));
  violations.push(...(await checkFiles(world)));
  for (const { owner, name } of repositories) {
    const folder = join(world.home, "repositories", world.git.host, owner, `${name}.git`);
    violations.push(...(await checkRepository(folder, work.get(name) ?? new Map())));
  }
  const commits = [...work.values()].reduce((sum, { size }) => sum + size, 0);
  return {
    sessions: world.sessions.length,
    statuses,
    events,
    commits,
    resumed,
    faults,
    violations,
  };
}

function commitsIn(events: readonly SessionEvent[]): string[] {
  const output = events.map(({ text }) => text ?? "").join("");
  return [...output.matchAll(/^committed ([0-9a-f]{40})$/gm)].map(([, commit = ""]) => commit);
}
