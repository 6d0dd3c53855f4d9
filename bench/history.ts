// A database that holds years of use, against one of a single page: what is read and dispatched now must not
// take longer for it.
import pg from "pg";
import type { FactoryServer } from "../test/support/factory.ts";
import { alternate } from "./alternate.ts";
import { openConnection, time, type Connection } from "./connection.ts";
import { timeToAnswer, timeToFirstInstruction } from "./dispatch-times.ts";
import type { Finding } from "./finding.ts";
import { addHistory, historyParent, type History } from "./history-rows.ts";
import { collectPlans, explainAll } from "./plans.ts";
import { cloneInto, createParent, type Parent } from "./workers.ts";
import type { World } from "./world.ts";

const page = 100;
const sizes = {
  /** 100,000 sessions, 5 million events and 400,000 of their parents. */
  whole: { parents: 100, sessions: 1_000, events: 50 },
  quick: { parents: 50, sessions: 200, events: 50 },
  empty: { parents: 1, sessions: page, events: 50 },
} as const satisfies Record<string, History>;
const turns = { whole: 200, quick: 50 };
const dispatches = { whole: 30, quick: 10 };
const target = { kind: "times", most: 1.5 } as const;
/** A statement that looks at more rows than some pages and the small tables hold lacks an index. */
const mostRows = 5 * page;
const repository = { owner: "bench", name: "history" };

const fields = `id name status branch repositoryName agent priority attempt exitCode
  createdAt startedAt finishedAt`;
const list = (filter: string) => `{ workerSessions(${filter}) { nodes { ${fields} } } }`;

/** Each with what shows that the answer is whole. */
const queries: readonly { what: string; document: string; sign: string }[] = [
  { what: "list, oldest", document: list(`first: ${String(page)}`), sign: '"worker-100"' },
  { what: "list, newest", document: list(`last: ${String(page)}`), sign: '"worker-' },
  {
    what: "list of a parent",
    document: list(`first: ${String(page)}, parentSession: "${historyParent}"`),
    sign: '"worker-',
  },
  {
    what: "list by status",
    document: list(`first: ${String(page)}, status: [SUCCEEDED]`),
    sign: '"worker-',
  },
  {
    what: "list of what runs",
    document: list(`first: ${String(page)}, status: [QUEUED, PREPARING, RUNNING, WAITING]`),
    sign: '"nodes":[]',
  },
  {
    what: "a session with its events",
    document: `{ workerSession(id: "worker-7") { ${fields} events(first: 500) { sequence at } } }`,
    sign: '"sequence":50',
  },
];

/** Counts go through all that they count, so these have no target: they say what a count costs. */
const counts: typeof queries = [
  {
    what: "list with its count",
    document: "{ workerSessions(first: 1) { totalCount nodes { name } } }",
    sign: '"totalCount"',
  },
  {
    what: "parents with the counts of their workers",
    document: "{ parentSessions(first: 100) { nodes { name workerCounts { total running } } } }",
    sign: '"total"',
  },
];

export async function benchHistory(world: World): Promise<Finding[]> {
  const { quick, git } = world;
  await git.createRepository(repository.owner, repository.name);
  const size = quick ? sizes.quick : sizes.whole;
  const full = await open(world, size);
  const empty = await open(world, sizes.empty);
  try {
    const label = `${(size.parents * size.sessions).toLocaleString("en")} ended`;
    const measured = await compare({ full, empty }, quick ? "quick" : "whole");
    return [
      ...measured.map((finding) => ({ ...finding, what: `${finding.what}, ${label}` })),
      ...(await explain(world, full)),
    ];
  } finally {
    await full.close();
    await empty.close();
  }
}

async function compare(
  { full, empty }: { readonly full: Side; readonly empty: Side },
  length: "quick" | "whole",
): Promise<Finding[]> {
  const inTurns = (count: number, measure: (side: Side) => Promise<number>) =>
    alternate(
      { turns: count },
      () => measure(full),
      () => measure(empty),
    );
  const count = turns[length];
  const findings: Finding[] = [];
  for (const { what, document, sign } of [...queries, ...counts]) {
    const ask = ({ connection }: Side) => time(() => connection.send(document), sign);
    // Until the server's code for it is compiled.
    await inTurns(count, ask);
    const isCount = counts.some((each) => each.what === what);
    const judged = isCount ? {} : { target };
    findings.push({ what, unit: "ms", ...(await inTurns(count, ask)), ...judged });
  }
  const parents = { full: dispatchingParent(full), empty: dispatchingParent(empty) };
  const parentOf = (side: Side) => (side === full ? parents.full : parents.empty);
  const input = { repository };
  const others = [
    { what: "replay of a session", count, measure: replaySession },
    { what: `replay of a parent's last ${String(page)}`, count, measure: replayParent },
    {
      what: "dispatch answered",
      count: dispatches[length],
      measure: (side: Side) => timeToAnswer(parentOf(side), input),
    },
    {
      what: "dispatch to first instruction",
      count: dispatches[length],
      measure: (side: Side) => timeToFirstInstruction(parentOf(side), input),
    },
  ];
  for (const { what, count: times, measure } of others) {
    findings.push({ what, unit: "ms", ...(await inTurns(times, measure)), target });
  }
  return findings;
}

interface Side {
  readonly server: FactoryServer;
  readonly connection: Connection;
  /** The last sequence of the parent whose stream is replayed. */
  readonly lastSequence: number;
  readonly close: () => Promise<void>;
}

async function open({ git, startServer }: World, history: History): Promise<Side> {
  const server = await startServer();
  await cloneInto(server, { ...repository, url: git.url(repository.owner, repository.name) });
  const client = new pg.Client({ connectionString: server.databaseUrl });
  await client.connect();
  try {
    await addHistory(client, history, repository);
  } finally {
    await client.end();
  }
  return use(server, 4 * history.sessions);
}

function use(server: FactoryServer, lastSequence: number): Side {
  const connection = openConnection(server);
  return {
    server,
    connection,
    lastSequence,
    async close() {
      connection.close();
      await server.dispose();
    },
  };
}

/** Not before it is needed: its subscription asks for what each change is about. */
function dispatchingParent({ server }: Side, name = "bench-history"): Parent {
  return createParent(server, name);
}

async function replaySession({ server }: Side): Promise<number> {
  const started = performance.now();
  const events = server.subscribe<{ workerEvents: { sequence: number } }>(
    `subscription { workerEvents(id: "worker-7", after: 0) {
       sequence ... on WorkerOutputEvent { text } } }`,
  );
  await events.completed;
  const milliseconds = performance.now() - started;
  if (events.messages.length !== 50) throw new Error("the replay is not whole");
  return milliseconds;
}

async function replayParent({ server, lastSequence }: Side): Promise<number> {
  const started = performance.now();
  const changes = server.subscribe(
    `subscription ($parentSession: String!, $after: Int!) {
       workerStatusChanged(parentSession: $parentSession, after: $after) {
         sequence status worker { name branch } } }`,
    { parentSession: historyParent, after: lastSequence - page },
  );
  await changes.first(page);
  const milliseconds = performance.now() - started;
  changes.end();
  return milliseconds;
}

/** For each query the statement that made Postgres look at most rows, and how it first looked. */
async function explain({ postgresLog }: World, { server, lastSequence }: Side): Promise<Finding[]> {
  await server.terminate();
  await explainAll(server.databaseUrl);
  const side = use(await server.restart(), lastSequence);
  const acts: readonly { what: string; act: () => Promise<unknown> }[] = [
    ...queries.map(({ what, document }) => ({
      what,
      act: () => side.connection.send(document),
    })),
    { what: "replay of a session", act: () => replaySession(side) },
    { what: "replay of a parent", act: () => replayParent(side) },
    {
      what: "dispatch",
      act: () => timeToFirstInstruction(dispatchingParent(side, "bench-plans"), { repository }),
    },
  ];
  const findings: Finding[] = [];
  for (const { what, act } of acts) {
    const plans = await collectPlans(postgresLog, act);
    const worst = plans.toSorted((a, b) => b.rows - a.rows)[0];
    if (worst === undefined) throw new Error(`Postgres told of no plan for: ${what}`);
    findings.push({
      what: `rows read for ${what}, at most: ${worst.scans[0] ?? "none"}`,
      unit: "rows",
      ours: [worst.rows],
      target: { kind: "absolute", most: mostRows },
    });
  }
  side.connection.close();
  return findings;
}
