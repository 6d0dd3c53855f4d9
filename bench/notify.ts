// From the commit of a status change to its message at a WebSocket subscriber, against the commit's bare
// notice at a plain LISTEN. Both clocks start when COMMIT is sent.
import pg from "pg";
import type { FactoryServer } from "../test/support/factory.ts";
import type { Finding } from "./finding.ts";
import { cloneInto, createParent } from "./workers.ts";
import type { World } from "./world.ts";

const parentSession = "bench-notify";
const waitTimeoutMs = 5_000;
/** Turns that warm caches and compile. */
const uncounted = 20;

export async function benchNotify({ git, quick, startServer }: World): Promise<Finding[]> {
  await git.createRepository("bench", "small");
  const server = await startServer();
  const changer = new pg.Client({ connectionString: server.databaseUrl });
  const listener = new pg.Client({ connectionString: server.databaseUrl });
  try {
    await Promise.all([changer.connect(), listener.connect()]);
    const repository = { owner: "bench", name: "small" };
    await cloneInto(server, { ...repository, url: git.url("bench", "small") });
    const parent = createParent(server, parentSession);
    const worker = await parent.dispatch({ repository, task: "true" });
    await parent.untilEnded(worker.name);
    return [await measure(server, { changer, listener }, quick ? 100 : 500)];
  } finally {
    await Promise.all([changer.end(), listener.end()]);
    await server.dispose();
  }
}

interface Connections {
  readonly changer: pg.Client;
  readonly listener: pg.Client;
}

async function measure(
  server: FactoryServer,
  { changer, listener }: Connections,
  turns: number,
): Promise<Finding> {
  const { streamId, lastSequence, workerId } = await readStream(changer);
  const changes = server.subscribe<{ workerStatusChanged: { sequence: number } }>(
    `subscription ($parentSession: String!, $after: Int!) {
      workerStatusChanged(parentSession: $parentSession, after: $after) {
        sequence
        status
        reason
        worker { name branch }
      }
    }`,
    { parentSession, after: lastSequence - 1 },
  );
  // The last change of before, again: the subscription stands.
  await changes.first(1);
  await listener.query("LISTEN factory");

  const ours: number[] = [];
  const floor: number[] = [];
  const append = appendOf(streamId, workerId);
  for (let turn = 1; turn <= uncounted + turns; turn += 1) {
    const sequence = lastSequence + turn;
    await changer.query("BEGIN");
    await changer.query({ name: "append", text: "SELECT append_events($1)", values: [append] });
    const received = changes
      .until((all) => all.at(-1)?.workerStatusChanged.sequence === sequence)
      .then(() => performance.now());
    const heard = hear(listener, sequence).then(() => performance.now());
    const committed = performance.now();
    const [receivedAt, heardAt] = await Promise.all([received, heard, changer.query("COMMIT")]);
    if (turn <= uncounted) continue;
    ours.push(receivedAt - committed);
    floor.push(heardAt - committed);
  }
  changes.end();
  return {
    what: "status change, committed to received",
    unit: "ms",
    ours,
    floor,
    target: { kind: "above", most: 5 },
  };
}

/** What the server itself appends for its parent when a session's status changes. */
function appendOf(stream: string, workerId: string): string {
  const change = { previousStatus: "PREPARING", status: "RUNNING", reason: null };
  const payload = { ...change, workerId, report: null, outcome: null };
  return JSON.stringify([{ stream, events: [{ type: "worker", payload }] }]);
}

async function readStream(client: pg.Client) {
  const { rows } = await client.query<{
    streamId: string;
    lastSequence: number;
    workerId: string;
  }>(
    `SELECT s.id AS "streamId", s."lastSequence", w.id AS "workerId"
     FROM "ParentSession" p
     JOIN "Stream" s ON s.id = p."streamId"
     JOIN "WorkerSession" w ON w."parentSessionId" = p.id
     WHERE p.name = $1`,
    [parentSession],
  );
  if (rows[0] === undefined) throw new Error("the parent has no worker");
  return rows[0];
}

/** Resolves at the notice of that sequence. */
async function hear(listener: pg.Client, sequence: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => {
    reject(new Error(`no notice of ${String(sequence)} came`));
  }, waitTimeoutMs);
  const look = ({ payload }: pg.Notification) => {
    const notice = JSON.parse(payload ?? "{}") as { topic: string; sequence?: number };
    if (notice.topic === `stream:parent:${parentSession}` && notice.sequence === sequence)
      resolve();
  };
  listener.on("notification", look);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    listener.off("notification", look);
  }
}
