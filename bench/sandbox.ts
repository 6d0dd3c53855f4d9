// What it costs that a worker is locked in, beside one that isn't: of the same server's code, in turns.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { FactoryServer } from "../test/support/factory.ts";
import { alternate } from "./alternate.ts";
import { timeToFirstInstruction } from "./dispatch-times.ts";
import type { Finding } from "./finding.ts";
import { listProcesses, readMemory } from "./process-memory.ts";
import { cloneInto, createParent, type Parent } from "./workers.ts";
import type { World } from "./world.ts";

const repository = { owner: "bench", name: "sandbox" };
const megabytes = 400;
const requestsInARow = 40;

interface Side {
  readonly server: FactoryServer;
  readonly parent: Parent;
}

export async function benchSandbox(world: World): Promise<Finding[]> {
  const host = await startHost();
  const address = `127.0.0.1:${String(host.port)}`;
  await world.git.createRepository(repository.owner, repository.name);
  const start = async (sandbox: string): Promise<Side> => {
    const server = await world.startServer({
      FACTORY_SANDBOX: sandbox,
      FACTORY_NETWORK: address,
      FACTORY_MAX_WORKERS: "16",
    });
    const url = world.git.url(repository.owner, repository.name);
    await cloneInto(server, { ...repository, url });
    return { server, parent: createParent(server, "sandbox") };
  };
  const sides = { locked: await start("required"), open: await start("off") };
  try {
    const turns = world.quick ? 6 : 20;
    let branches = 0;
    const dispatch = ({ parent }: Side) =>
      timeToFirstInstruction(parent, {
        repository,
        branch: `first-${String((branches += 1))}`,
      });
    const ask = (side: Side, words: string) => measureInside(side, `curl -sf ${words}`);
    return [
      {
        what: "dispatch, into a sandbox beside without one",
        unit: "ms",
        ...(await alternate(
          { turns },
          () => dispatch(sides.locked),
          () => dispatch(sides.open),
        )),
        target: { kind: "above", most: 25 },
      },
      {
        what: "download by the proxy beside without it",
        unit: "MB/s",
        ...(await alternate(
          { turns: world.quick ? 3 : 6 },
          () => ask(sides.locked, `--noproxy '' -p http://${address}/bytes ${speed}`),
          () => ask(sides.open, `http://${address}/bytes ${speed}`),
        )),
        target: { kind: "least", least: 200 },
      },
      {
        what: "a request of a new connection by the proxy beside without it",
        unit: "ms",
        ...(await alternate(
          { turns: world.quick ? 3 : 6 },
          () => measureInside(sides.locked, inARow(`--noproxy '' -p http://${address}/`)),
          () => measureInside(sides.open, inARow(`http://${address}/`)),
        )),
        target: { kind: "above", most: 2 },
      },
      await measureMemory(sides.locked),
    ];
  } finally {
    await sides.locked.server.dispose();
    await sides.open.server.dispose();
    host.stop();
  }
}

/** curl's bytes a second, as megabytes. */
const speed = `-o /dev/null -w '%{speed_download}' | awk '{ print $1 / 1000000 }'`;

/** The median of as many, one after the other, in milliseconds. */
function inARow(words: string): string {
  const each = `curl -sf -o /dev/null -w '%{time_total}\\n' ${words}`;
  const middle = String(requestsInARow / 2);
  return `for n in $(seq ${String(requestsInARow)}); do ${each}; done | sort -n | sed -n ${middle}p | awk '{ print $1 * 1000 }'`;
}

/** The number that a worker's command prints. */
async function measureInside({ parent }: Side, command: string): Promise<number> {
  const { name } = await parent.dispatch({ repository, task: `${command} >number` });
  await parent.untilEnded(name);
  const text = await readFile(join(await parent.worktreeOf(name), "number"), "utf8");
  if (!(Number(text) > 0)) throw new Error(`no number: ${text}`);
  return Number(text);
}

/** What each worker has beside its agent: bubblewrap's processes and the relay. */
async function measureMemory({ parent, server }: Side): Promise<Finding> {
  const count = 8;
  const workers = await Promise.all(
    Array.from({ length: count }, (_, number) =>
      parent.dispatch({
        repository,
        branch: `waits-${String(number)}`,
        task: "exec sleep 600",
      }),
    ),
  );
  for (const { name } of workers) await parent.untilRunning(name);
  const beside = (await listProcesses()).filter(({ command }) =>
    /^\S*bwrap .*\/worktrees\/|^factory-relay/.test(command),
  );
  const memory = await readMemory(beside.map(({ pid }) => pid));
  for (const { name } of workers) await parent.cancel(name);
  if (beside.length < 2 * count || !beside.some(({ command }) => command.includes(server.home))) {
    throw new Error(`${String(beside.length)} processes were found beside ${String(count)} agents`);
  }
  return {
    what: `memory of a sandbox beside its agent, mean of ${String(count)}`,
    unit: "MB",
    ours: [memory / count],
    target: { kind: "absolute", most: 6 },
  };
}

async function startHost(): Promise<{ readonly port: number; stop(): void }> {
  const chunk = Buffer.alloc(1_000_000);
  const server = createServer((request, response) => {
    if (request.url !== "/bytes") {
      response.end("here\n");
      return;
    }
    let left = megabytes;
    const write = () => {
      while (left > 0) {
        left -= 1;
        if (!response.write(chunk)) return;
      }
      response.end();
    };
    response.on("drain", write);
    write();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}
