// Workers whose times are those of a working day, though they were dispatched a moment ago.
import type { FactoryServer } from "../support/factory.ts";
import { queryDatabase } from "../support/inventory.ts";
import { dispatch, untilStatus, type Gate, type Worker } from "../support/workers.ts";

export interface Planned {
  readonly branch: string;
  readonly agent: string;
  /** How: a command line, or what it waits for. */
  readonly ends: string;
  readonly task?: string;
  /** When it had each of its statuses, in minutes since the first dispatch. */
  readonly minutes: readonly number[];
  readonly costUsd: number | null;
}

/** How long ago the first dispatch was. */
const agoMinutes = 27;

export async function begin(
  factory: FactoryServer,
  gate: Gate,
  parentSession: string,
  { branch, agent, ends, task }: Planned,
): Promise<Worker> {
  const lines: Readonly<Record<string, string>> = {
    stays: gate.wait,
    waits: gate.wait,
    ask: "do: ask npm publish --dry-run\ndo: say Published.",
  };
  const worker = await dispatch(factory, {
    parentSession,
    agent,
    branch,
    repository: { owner: "acme", name: "storefront" },
    task: task ?? `Work on ${branch}\n${lines[ends] ?? ends}`,
  });
  if (ends === "stays") await untilStatus(factory, worker.name, "RUNNING");
  return worker;
}

/** Moves what has happened to it to its times. */
export async function place(
  factory: FactoryServer,
  { name }: Worker,
  { minutes, costUsd }: Planned,
): Promise<void> {
  const number = Number(name.slice("worker-".length));
  const at = (minute: number): string =>
    new Date(Date.now() - (agoMinutes - minute) * 60_000).toISOString();
  const events = await queryDatabase<{ streamId: string; sequence: number }>(
    factory,
    `SELECT event."streamId", event.sequence FROM "Event" event JOIN "Stream" stream ON stream.id = event."streamId"
     WHERE stream.key = $1 AND event.type = 'status' ORDER BY event.sequence`,
    [`worker:${String(number)}`],
  );
  for (const [index, { streamId, sequence }] of events.entries()) {
    // And with it whatever else it did until the next one.
    await queryDatabase(
      factory,
      `UPDATE "Event" SET at = $3 WHERE "streamId" = $1 AND sequence >= $2`,
      [streamId, sequence, at(minutes[index] ?? agoMinutes)],
    );
  }
  const running = minutes[2];
  await queryDatabase(
    factory,
    `UPDATE "WorkerSession" SET "createdAt" = $2, "startedAt" = $3,
       "finishedAt" = CASE WHEN "finishedAt" IS NULL THEN NULL ELSE $4::timestamptz END,
       "costUsd" = $5, "inputTokens" = $6, "outputTokens" = $7 WHERE number = $1`,
    [
      number,
      at(minutes[0] ?? 0),
      running === undefined ? null : at(running),
      at(minutes.at(-1) ?? 0),
      costUsd,
      costUsd === null ? null : Math.round(costUsd * 49_000),
      costUsd === null ? null : Math.round(costUsd * 3_700),
    ],
  );
}
