// Agents that talk: from what they print to who listens, how fast it is read, and how much one server stores.
import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createClient } from "graphql-ws";
import pg from "pg";
import WebSocket from "ws";
import type { FactoryServer } from "../test/support/factory.ts";
import type { Finding } from "./finding.ts";
import { benchParsing } from "./parsing.ts";
import {
  acpTalk,
  agesIn,
  formats,
  linesPerSecond,
  readPlainly,
  writePrinter,
  type Formats,
  type Printer,
  type Talk,
} from "./printers.ts";
import { cloneInto, createParent } from "./workers.ts";
import type { World } from "./world.ts";

const repository = { owner: "bench", name: "talking" };
/** How long a server waits at most for more before it stores what was printed. */
const batchMs = 50;
const sampleMs = 500;

export async function benchAgents(world: World): Promise<Finding[]> {
  await world.git.createRepository(repository.owner, repository.name);
  return [
    ...(await benchParsing(world)),
    await latency(world, { name: "output", agent: "shell", lines: formats.plain }),
    await latency(world, { name: "message", agent: "talker", lines: formats.messages }),
    await latency(world, {
      name: "message over ACP",
      agent: "speaker",
      lines: formats.chunks,
      talk: acpTalk,
    }),
    ...(await storing(world)),
  ];
}

interface Case {
  readonly name: string;
  readonly agent: string;
  readonly lines: Formats;
  readonly talk?: Talk;
}

/** From an agent's line to its receipt by a subscriber, over WebSocket. */
async function latency(world: World, { name, agent, lines, talk }: Case): Promise<Finding> {
  const count = world.quick ? 20 : 100;
  const times = world.quick
    ? { warmMs: 2_000, measuredMs: 4_000 }
    : { warmMs: 4_000, measuredMs: 10_000 };
  const folder = join(world.folder, agent);
  await mkdir(folder, { recursive: true });
  const plain = await writePrinter(folder, "floor", lines);
  const floor = await readPlainly(folder, plain, { count, batchMs, ...times });

  const printer = await writePrinter(folder, "printer", lines, talk);
  const ours: number[] = [];
  await withWorkers(world, { printer, agent, count }, async (server, ids) => {
    let isCounting = false;
    const unsubscribe = subscribe(server, ids, (text) => {
      const ages = agesIn(text);
      if (isCounting) ours.push(...ages);
    });
    try {
      await printer.go();
      await delay(times.warmMs);
      isCounting = true;
      await delay(times.measuredMs);
    } finally {
      await unsubscribe();
    }
  });
  const rate = String(count * linesPerSecond);
  return {
    what: `${name}, printed to received, ${String(count)} workers, ${rate} lines a second`,
    unit: "ms",
    ours,
    floor,
    target: { kind: "absolute", most: 60 },
  };
}

/** A thousand events a second: what is printed and not stored yet must not grow. */
async function storing(world: World): Promise<Finding[]> {
  const count = world.quick ? 20 : 55;
  const samples = world.quick ? 16 : 40;
  const printer = await writePrinter(world.folder, "storing", formats.toolCalls);
  const taken: Sample[] = [];
  await withWorkers(world, { printer, agent: "talker", count }, async (server) => {
    const client = new pg.Client({ connectionString: server.databaseUrl });
    await client.connect();
    try {
      await printer.go();
      await delay(3_000);
      for (let sample = 0; sample <= samples; sample += 1) {
        taken.push(await takeSample(server, client));
        await delay(sampleMs);
      }
    } finally {
      await client.end();
    }
  });
  const rates = taken.slice(1).map((sample, index) => {
    const before = taken[index] ?? sample;
    return (sample.stored - before.stored) / ((sample.at - before.at) / 1000);
  });
  const waiting = taken.map((sample) => sample.waiting);
  const quarter = Math.floor(samples / 4);
  const printed = count * linesPerSecond;
  return [
    {
      what: `events stored, of ${String(printed)} printed a second`,
      unit: "events/s",
      ours: rates,
      target: { kind: "least", least: world.quick ? 0.9 * printed : 1000 },
    },
    {
      what: "events not stored yet, at the end (half way)",
      unit: "events",
      ours: waiting.slice(-quarter),
      floor: waiting.slice(quarter, -quarter),
      // One of each worker is no growth.
      target: { kind: "above", most: count },
    },
  ];
}

interface Sample {
  readonly at: number;
  /** Events, ever. */
  readonly stored: number;
  /** Events in the workers' files that aren't in the database. */
  readonly waiting: number;
}

async function takeSample(server: FactoryServer, client: pg.Client): Promise<Sample> {
  const { rows } = await client.query<{ stored: number; read: number }>(
    `SELECT sum(s."lastSequence")::float AS stored, sum(w."stdoutOffset")::float AS read
     FROM "WorkerSession" w JOIN "Stream" s ON s.id = w."streamId"`,
  );
  const at = performance.now();
  const sessions = join(server.home, "sessions");
  const files = (await readdir(sessions)).map((folder) => join(sessions, folder, "stdout"));
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  const printed = sizes.reduce((sum, size) => sum + size, 0);
  const { stored, read } = rows[0] ?? { stored: 0, read: 0 };
  return { at, stored, waiting: (printed - read) / lineBytes };
}

/** On average; numbers and times in place of the formats' own marks. */
const lineBytes =
  formats.toolCalls.reduce((sum, format) => sum + format.length + "100".length + 17 - 4, 0) /
  formats.toolCalls.length;

interface Workers {
  readonly printer: Printer;
  readonly agent: string;
  readonly count: number;
}

/** A server with so many workers that wait for the printer to go, all of which end afterwards. */
async function withWorkers(
  world: World,
  { printer, agent, count }: Workers,
  use: (server: FactoryServer, ids: readonly string[]) => Promise<void>,
): Promise<void> {
  const agents = join(world.folder, "agents.json");
  const command = ["bash", printer.script];
  const talker = { command, protocol: "claude-stream-json" };
  const speaker = { command, protocol: "acp" };
  await writeFile(agents, JSON.stringify({ agents: { talker, speaker } }));
  const server = await world.startServer({
    FACTORY_MAX_WORKERS: String(count),
    FACTORY_AGENTS: agents,
  });
  try {
    const { owner, name } = repository;
    await cloneInto(server, { ...repository, url: world.git.url(owner, name) });
    const parent = createParent(server, "bench-agents");
    const workers: { readonly id: string; readonly name: string }[] = [];
    for (let worker = 0; worker < count; worker += 1) {
      const task = `exec bash ${printer.script}`;
      workers.push(await parent.dispatch({ repository, task, agent }));
    }
    for (const worker of workers) await parent.untilRunning(worker.name);
    await use(
      server,
      workers.map(({ id }) => id),
    );
  } finally {
    await printer.stop();
    await server.dispose();
  }
}

interface Said {
  readonly workerEvents: { readonly text?: string };
}

/** All of them over one connection. */
function subscribe(
  server: FactoryServer,
  ids: readonly string[],
  onText: (text: string) => void,
): () => Promise<void> {
  const client = createClient({
    url: `${server.url.replace("http", "ws")}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${server.token}` },
    retryAttempts: 0,
  });
  for (const id of ids) {
    client.subscribe<Said>(
      {
        query: `subscription ($id: ID!) {
          workerEvents(id: $id) {
            sequence
            at
            ... on WorkerOutputEvent { channel text }
            ... on WorkerMessageEvent { role text }
          }
        }`,
        variables: { id },
      },
      {
        next({ data, errors }) {
          if (errors !== undefined) console.error(`refused: ${JSON.stringify(errors)}`);
          const text = data?.workerEvents.text;
          if (text !== undefined) onText(text);
        },
        error(error) {
          console.error("a subscription broke:", error);
        },
        complete: () => undefined,
      },
    );
  }
  return async () => {
    await client.dispose();
  };
}
