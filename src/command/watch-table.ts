// The table of `factory watch`, drawn anew when something changes and while ages do.
import { setTimeout as delay } from "node:timers/promises";
import { createLogUpdate } from "log-update";
import { oneLine } from "./harmless.ts";
import { styled } from "./print.ts";
import { drawTable } from "./table.ts";
import { workerColumns } from "./worker-table.ts";
import type { ChangesOptions, ParentState, StatusChange } from "./parent-changes.ts";
import { isFinal, styleOfStatus, type Worker } from "./worker-fields.ts";

/** As a shell counts the end by SIGINT, which is how a watch is ended. */
const interrupted = 130;
const redrawMs = 1_000;
/** Many changes at once are drawn once. */
const pauseMs = 50;
const mostEnded = 200;
const usualFoot = "Ctrl-C ends the watch, and nothing else";

type Changes = (
  after: number,
  options: Omit<ChangesOptions, "after">,
) => AsyncGenerator<StatusChange>;

export async function showLive(
  parent: string,
  { lastSequence, workerSessions }: ParentState,
  changes: Changes,
): Promise<number> {
  const workers = new Map(workerSessions.nodes.map((worker) => [worker.name, worker]));
  const stopping = new AbortController();
  const { signal } = stopping;
  let wake = Promise.withResolvers<void>();
  let trouble: string | undefined;
  const stop = () => {
    stopping.abort();
    wake.resolve();
  };

  async function hear(): Promise<void> {
    const heard = changes(lastSequence, {
      signal,
      onLost(reason) {
        trouble = `the connection is lost (${oneLine(reason)}), and tried again`;
        wake.resolve();
      },
      onFound() {
        trouble = undefined;
        wake.resolve();
      },
    });
    for await (const { worker } of heard) {
      workers.set(worker.name, worker);
      forgetOldest(workers);
      wake.resolve();
    }
  }

  // Not once: a signal whose last listener is gone ends the process, before the screen is left in order.
  process.on("SIGINT", stop).on("SIGTERM", stop);
  const ticking = setInterval(() => {
    wake.resolve();
  }, redrawMs);
  const screen = createLogUpdate(process.stdout);
  const hearing = hear().finally(stop);
  // It is awaited below, when the drawing has ended by it.
  hearing.catch(() => undefined);
  try {
    while (!signal.aborted) {
      screen(await picture(parent, [...workers.values()], trouble ?? usualFoot));
      await delay(pauseMs);
      await wake.promise;
      wake = Promise.withResolvers<void>();
    }
    await hearing;
    // As it is at the end, to be read on.
    screen(await picture(parent, [...workers.values()]));
  } finally {
    clearInterval(ticking);
    screen.done();
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
  return interrupted;
}

/** Of those that have ended, so many stay as nobody looks through more. */
function forgetOldest(workers: Map<string, Worker>): void {
  const ended = [...workers.values()].filter(({ status }) => isFinal(status));
  for (const { name } of ended.slice(0, Math.max(0, ended.length - mostEnded)))
    workers.delete(name);
}

async function picture(parent: string, workers: readonly Worker[], foot?: string): Promise<string> {
  const head = `${styled("bold", oneLine(parent))}   ${tellCounts(workers)}`.trimEnd();
  const footLines = foot === undefined ? [] : ["", styled("dim", foot)];
  if (workers.length === 0) {
    const body = foot === undefined ? [] : ["", "no workers yet"];
    return [head, ...body, ...footLines].join("\n");
  }
  const { columns, rows } = process.stdout;
  const shown = choose(workers, Math.max(3, rows - 7));
  const left = workers.length - shown.length;
  const more = left > 0 ? [styled("dim", `… and ${String(left)} more`)] : [];
  const table = await drawTable(workerColumns(shown), shown, columns - 1);
  return [head, "", ...table, ...more, ...footLines].join("\n");
}

/** Those that have not ended first of all, then the latest; in their own order. */
function choose(workers: readonly Worker[], most: number): readonly Worker[] {
  const unended = workers.filter(({ status }) => !isFinal(status));
  const ended = workers.filter(({ status }) => isFinal(status));
  const room = Math.max(0, most - unended.length);
  const chosen = new Set([...unended.slice(0, most), ...ended.slice(ended.length - room)]);
  return workers.filter((worker) => chosen.has(worker));
}

function tellCounts(workers: readonly Worker[]): string {
  const counts = new Map<string, number>();
  for (const { status } of workers) counts.set(status, (counts.get(status) ?? 0) + 1);
  return [...counts]
    .map(([status, count]) =>
      styled(styleOfStatus(status) ?? "reset", `${String(count)} ${status.toLowerCase()}`),
    )
    .join(", ");
}
