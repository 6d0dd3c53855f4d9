// From the start of a server's process to the last of the workers that the one before, killed, has left:
// each has printed a line meanwhile, and all lines are in the event log.
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import type { FactoryServer } from "../test/support/factory.ts";
import type { Finding } from "./finding.ts";
import { cloneInto, createParent } from "./workers.ts";
import type { World } from "./world.ts";

const execute = promisify(execFile);
const workers = { whole: 200, quick: 40 };
const turns = { whole: 5, quick: 2 };
const targetMs = 3_000;
const groupSize = 10;
const waitTimeoutMs = 60_000;
/** Prints what comes through a pipe of its name, line by line, until it is told to end. */
const task = (pipes: string) => `
exec 3<>"${pipes}/$FACTORY_WORKER"
while read -r line <&3 && [ "$line" != end ]; do echo "$line"; done`;

export async function benchRestart({ git, quick, folder, startServer }: World): Promise<Finding[]> {
  const count = quick ? workers.quick : workers.whole;
  const pipes = join(folder, "restart");
  await git.createRepository("bench", "restart");
  const repository = { owner: "bench", name: "restart" };
  const first = await startServer({ FACTORY_MAX_WORKERS: String(count) });
  const listener = new pg.Client({ connectionString: first.databaseUrl });
  let server: FactoryServer = first;
  try {
    await mkdir(pipes);
    await listener.connect();
    await listener.query("LISTEN factory");
    await cloneInto(server, { ...repository, url: git.url("bench", "restart") });
    const names = Array.from({ length: count }, (_, index) => `worker-${String(index + 1)}`);
    const parent = createParent(server, "bench-restart");
    for (const some of inGroups(names)) {
      await execute(
        "mkfifo",
        some.map((name) => join(pipes, name)),
      );
      for (const _ of some) await parent.dispatch({ repository, task: task(pipes) });
      await Promise.all(some.map((name) => parent.untilRunning(name)));
    }
    const tell = (some: readonly string[], line: string) =>
      Promise.all(some.map((name) => writeFile(join(pipes, name), `${line}\n`)));

    const adopted: number[] = [];
    const listening: number[] = [];
    for (let turn = 0; turn < (quick ? turns.quick : turns.whole); turn += 1) {
      await server.kill();
      await tell(names, `turn ${String(turn)}`);
      const heard = hearAll(listener, names);
      const started = performance.now();
      server = await server.restart();
      listening.push(performance.now() - started);
      adopted.push((await heard) - started);
    }
    // That none was lost, and that each goes on to be watched.
    const after = createParent(server, "bench-restart");
    for (const some of inGroups(names)) {
      await tell(some, "end");
      await Promise.all(some.map((name) => after.untilEnded(name)));
    }
    return [
      {
        what: `restart with ${String(count)} workers, all adopted`,
        unit: "ms",
        ours: adopted,
        target: { kind: "absolute", most: targetMs },
      },
      { what: "  of which until it listens", unit: "ms", ours: listening },
    ];
  } finally {
    await listener.end();
    await server.dispose();
  }
}

/** All at once would be a test of the machine. */
function inGroups(names: readonly string[]): string[][] {
  const groups = Math.ceil(names.length / groupSize);
  return Array.from({ length: groups }, (_, group) =>
    names.slice(group * groupSize, (group + 1) * groupSize),
  );
}

/** Resolves with the time at which each worker's stream has told of something. */
async function hearAll(listener: pg.Client, names: readonly string[]): Promise<number> {
  const missing = new Set(names.map((name) => `stream:${name.replace("-", ":")}`));
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const timer = setTimeout(() => {
    reject(new Error(`${String(missing.size)} workers were not adopted`));
  }, waitTimeoutMs);
  const look = ({ payload }: pg.Notification) => {
    const { topic } = JSON.parse(payload ?? "{}") as { topic: string };
    missing.delete(topic);
    if (missing.size === 0) resolve(performance.now());
  };
  listener.on("notification", look);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    listener.off("notification", look);
  }
}
