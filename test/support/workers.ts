// What the tests of workers share: dispatching, following to the end, and holding a worker where it is.
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { setTimeout } from "node:timers/promises";
import { afterAll } from "@jest/globals";
import type { Collected } from "./collect.ts";
import type { FactoryServer } from "./factory.ts";

export interface Worker {
  readonly id: string;
  readonly name: string;
  readonly branch: string;
  readonly base: string | null;
  readonly status: string;
  readonly statusReason: string | null;
  readonly failureCode: string | null;
  readonly summary: string | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly repositoryName: string;
  readonly lastSequence: number;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly worktree: { path: string; branch: string; base: string; baseCommit: string } | null;
  readonly commits: readonly { id: string; subject: string; authorName: string }[];
  readonly previous: { name: string } | null;
}

export const workerFields = `
  id name branch base status statusReason failureCode summary exitCode signal repositoryName
  lastSequence startedAt finishedAt
  worktree { path branch base baseCommit } commits { id subject authorName } previous { name }`;

export const dispatchMutation = `mutation ($input: DispatchWorkerInput!) {
  dispatchWorker(input: $input) { created worker { ${workerFields} } }
}`;

/** Agent: shell, unless the input says otherwise. */
export async function dispatch(
  server: FactoryServer,
  input: Readonly<Record<string, unknown>>,
  token?: string,
): Promise<Worker & { readonly created: boolean }> {
  const { dispatchWorker } = await server.query<{
    dispatchWorker: { created: boolean; worker: Worker };
  }>(dispatchMutation, { input: { agent: "shell", ...input } }, token);
  return { ...dispatchWorker.worker, created: dispatchWorker.created };
}

/** So many at once: more would only wait for the database, which a busy machine may take for its absence. */
const mostAtOnce = 10;

/** One after the other in their order, ten at a time. */
export async function dispatchMany(
  server: FactoryServer,
  count: number,
  input: (number: number) => Readonly<Record<string, unknown>>,
): Promise<Worker[]> {
  const workers: Worker[] = [];
  while (workers.length < count) {
    const first = workers.length;
    const length = Math.min(mostAtOnce, count - first);
    const some = Array.from({ length }, (_, more) => dispatch(server, input(first + more)));
    workers.push(...(await Promise.all(some)));
  }
  return workers;
}

export async function readWorker(server: FactoryServer, id: string): Promise<Worker> {
  const { workerSession } = await server.query<{ workerSession: Worker }>(
    `query ($id: ID!) { workerSession(id: $id) { ${workerFields} } }`,
    { id },
  );
  return workerSession;
}

export interface WorkerEvent {
  readonly __typename: string;
  readonly sequence: number;
  readonly previousStatus?: string | null;
  readonly status?: string;
  readonly reason?: string | null;
  readonly channel?: "STDOUT" | "STDERR";
  readonly text?: string;
  readonly message?: string;
  readonly outcome?: string | null;
}

export const workerEventsSubscription = `subscription ($id: ID!, $after: Int) {
  workerEvents(id: $id, after: $after) {
    __typename sequence
    ... on WorkerStatusEvent { previousStatus status reason }
    ... on WorkerOutputEvent { channel text }
    ... on WorkerReportEvent { message outcome }
  }
}`;

export function followWorker(
  server: FactoryServer,
  id: string,
  after?: number,
): Collected<{ workerEvents: WorkerEvent }> {
  return server.subscribe(workerEventsSubscription, {
    id,
    ...(after === undefined ? {} : { after }),
  });
}

export interface Ended extends Worker {
  readonly events: readonly WorkerEvent[];
  readonly stdout: string;
  readonly stderr: string;
}

/** Waits for the session's last event; what became of it, and all that it did. */
export async function untilEnded(server: FactoryServer, id: string): Promise<Ended> {
  const followed = followWorker(server, id, 0);
  await followed.completed;
  const events = followed.messages.map(({ workerEvents }) => workerEvents);
  const printed = (channel: string) =>
    events.map((event) => (event.channel === channel ? (event.text ?? "") : "")).join("");
  return {
    ...(await readWorker(server, id)),
    events,
    stdout: printed("STDOUT"),
    stderr: printed("STDERR"),
  };
}

/** Resolves once the worker has printed the text on its standard output. */
export async function untilPrinted(
  server: FactoryServer,
  id: string,
  text: string,
): Promise<string> {
  const followed = followWorker(server, id, 0);
  const printed = () =>
    followed.messages.map(({ workerEvents }) => workerEvents.text ?? "").join("");
  await followed.until(() => printed().includes(text));
  followed.end();
  return printed();
}

/** Resolves once the worker's stream has told of the status. */
export async function untilStatus(
  server: FactoryServer,
  id: string,
  status: string,
): Promise<void> {
  const followed = followWorker(server, id, 0);
  await followed.until((all) => all.some(({ workerEvents }) => workerEvents.status === status));
  followed.end();
}

export interface StatusChange {
  readonly sequence: number;
  readonly previousStatus: string | null;
  readonly status: string;
  readonly reason: string | null;
  readonly report: string | null;
  readonly outcome: string | null;
  readonly worker: { readonly name: string };
}

export const statusSubscription = `subscription ($parentSession: String!, $after: Int) {
  workerStatusChanged(parentSession: $parentSession, after: $after) {
    sequence previousStatus status reason report outcome worker { name }
  }
}`;

export function followParent(
  server: FactoryServer,
  parentSession: string,
  after?: number,
): Collected<{ workerStatusChanged: StatusChange }> {
  return server.subscribe(statusSubscription, {
    parentSession,
    ...(after === undefined ? {} : { after }),
  });
}

export async function cancel(
  server: FactoryServer,
  id: string,
  reason?: string,
): Promise<Pick<Worker, "name" | "status" | "statusReason">> {
  const { cancelWorker } = await server.query<{
    cancelWorker: { worker: Pick<Worker, "name" | "status" | "statusReason"> };
  }>(
    `mutation ($input: CancelWorkerInput!) {
      cancelWorker(input: $input) { worker { name status statusReason } }
    }`,
    { input: { id, ...(reason === undefined ? {} : { reason }) } },
  );
  return cancelWorker.worker;
}

export interface Gate {
  /** A shell command that returns when the gate was opened for it. */
  readonly wait: string;
  /** Lets so many through, now or when they come. */
  open(count?: number): Promise<void>;
  /** Also lets through who still waits. */
  dispose(): Promise<void>;
}

const gates = new Set<Gate>();

// A test that failed half way has not disposed of its own.
afterAll(async () => {
  await Promise.all([...gates].map((gate) => gate.dispose()));
});

/** Holds workers where a test wants them. */
export async function createGate(): Promise<Gate> {
  const folder = await mkdtemp(join(tmpdir(), "factory-gate-"));
  const path = join(folder, "gate");
  await promisify(execFile)("mkfifo", [path]);
  // Opened for both, a FIFO blocks neither its reader nor its writer. Source: fifo(7).
  const handle = await open(path, constants.O_RDWR | constants.O_NONBLOCK);
  const gate: Gate = {
    // One byte is one passage, whoever reads it.
    wait: `head -c 1 '${path}' >/dev/null`,
    async open(count = 1) {
      // Disposed of, it has let everybody through.
      if (!gates.has(gate)) return;
      await handle.write("\n".repeat(count));
    },
    async dispose() {
      if (!gates.delete(gate)) return;
      await handle.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
  gates.add(gate);
  return gate;
}

const eventuallyMs = 20_000;

/** For what sends no event, such as the state of a process that isn't the test's own. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + eventuallyMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error("it did not happen in time");
    await setTimeout(20);
  }
}

/** Whether a process of this id exists and is no zombie. Source: proc_pid_stat(5). */
export async function isAlive(pid: number): Promise<boolean> {
  try {
    const handle = await open(`/proc/${String(pid)}/stat`);
    try {
      const text = await handle.readFile("utf8");
      return text.slice(text.lastIndexOf(")") + 2, text.lastIndexOf(")") + 3) !== "Z";
    } finally {
      await handle.close();
    }
  } catch {
    // No such process: that is the answer.
    return false;
  }
}
