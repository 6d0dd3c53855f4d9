// Prometheus metrics: of this server what it measured itself, of all servers what the database says.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { measurements, type EndedStep } from "../measurements.ts";

/** The steps that a dispatch waits for until its agent runs. */
const phases = ["queued", "clone", "fetch", "worktree", "issue", "spawn"];
/** A queue may be waited in for hours, and a process is spawned in milliseconds. */
const phaseSeconds = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1_800, 7_200];
const gitSeconds = [0.01, 0.05, 0.25, 1, 5, 30, 300];

export interface Counts {
  readonly sessions: readonly { status: string; agent: string; count: number }[];
  readonly oldestQueuedSeconds: number;
  readonly capacity: number;
}

export interface MetricSources {
  readonly version: string;
  readonly role: string;
  /** All that there are, so that one without sessions is 0 and not missing. */
  readonly statuses: readonly string[];
  /** undefined: the database is away. */
  readonly count: () => Promise<Counts | undefined>;
  readonly countFollowers: () => ReadonlyMap<string, number>;
}

export interface Metrics {
  readonly contentType: string;
  read(): Promise<string>;
  close(): void;
}

export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: "factory_info",
    help: "1, with this server's version and role",
    labelNames: ["version", "role"],
    registers,
  }).set({ version: sources.version, role: sources.role }, 1);

  const global = createGlobalMetrics(registers, sources.statuses);
  const phase = new Histogram({
    name: "factory_dispatch_phase_seconds",
    help: "How long dispatches waited for each step until their agent ran, on this server",
    labelNames: ["phase"],
    buckets: phaseSeconds,
    registers,
  });
  const git = new Histogram({
    name: "factory_git_call_seconds",
    help: "Calls of git by command and outcome (ok, failed: its exit code was another than 0, aborted, error), on this server",
    labelNames: ["command", "outcome"],
    buckets: gitSeconds,
    registers,
  });
  const appended = new Counter({
    name: "factory_events_appended_total",
    help: "Events that this server appended to streams, by type; those of a transaction that failed later are counted too",
    labelNames: ["type"],
    registers,
  });
  const subscribers = new Gauge({
    name: "factory_subscribers",
    help: "Subscriptions open at this server, by what they follow",
    labelNames: ["stream"],
    registers,
  });

  const onStep = ({ name, milliseconds, facts }: EndedStep) => {
    const seconds = milliseconds / 1000;
    if (phases.includes(name)) phase.observe({ phase: name }, seconds);
    if (name !== "git") return;
    const { command = "", outcome = "" } = facts;
    git.observe({ command: String(command), outcome: String(outcome) }, seconds);
  };
  const onAppended = (type: string, count: number) => {
    appended.inc({ type }, count);
  };
  measurements.on("step", onStep).on("appended", onAppended);

  async function read(): Promise<string> {
    global.set(await sources.count());
    for (const [stream, count] of sources.countFollowers()) subscribers.set({ stream }, count);
    return registry.metrics();
  }
  // Those who ask at the same time get the same answer.
  let reading: Promise<string> | undefined;
  return {
    contentType: registry.contentType,
    read: () => (reading ??= read().finally(() => (reading = undefined))),
    close() {
      measurements.off("step", onStep).off("appended", onAppended);
      registry.clear();
    },
  };
}

/** The same from every server on the database: their maximum is true, and their sum is not. */
function createGlobalMetrics(registers: Registry[], statuses: readonly string[]) {
  const sessions = new Gauge({
    name: "factory_sessions",
    help: "Sessions on all servers, by status and agent",
    labelNames: ["status", "agent"],
    registers,
  });
  const depth = new Gauge({
    name: "factory_queue_depth",
    help: "Sessions that wait for a runner, on all servers",
    registers,
  });
  const age = new Gauge({
    name: "factory_queue_oldest_seconds",
    help: "Time since the oldest of the queued sessions was dispatched; 0: none is queued",
    registers,
  });
  const capacity = new Gauge({
    name: "factory_capacity",
    help: "Sessions that all runners that are there can run at once",
    registers,
  });
  const up = new Gauge({
    name: "factory_database_up",
    help: "1 where the database answered; else what it would have told is left out",
    registers,
  });
  return {
    set(counts: Counts | undefined): void {
      sessions.reset();
      for (const gauge of [depth, age, capacity]) gauge.remove();
      up.set(counts === undefined ? 0 : 1);
      if (counts === undefined) return;
      for (const agent of new Set(counts.sessions.map((group) => group.agent))) {
        for (const status of statuses) sessions.set({ status, agent }, 0);
      }
      let queued = 0;
      for (const { status, agent, count } of counts.sessions) {
        sessions.set({ status, agent }, count);
        if (status === "QUEUED") queued += count;
      }
      depth.set(queued);
      age.set(counts.oldestQueuedSeconds);
      capacity.set(counts.capacity);
    },
  };
}
