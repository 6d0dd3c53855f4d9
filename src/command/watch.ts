// `factory watch`: a parent's workers as they change. A line for each change where a program reads it; a table that
// moves in a terminal.
import { CommandError, exitCodes, findServer } from "./connection.ts";
import { oneLine } from "./harmless.ts";
import type { WatchOptions } from "./options.ts";
import { changesOf, readParent, type ParentState, type StatusChange } from "./parent-changes.ts";
import { isTerminal, printJsonLine, say, tell, untilTaken } from "./print.ts";

export async function watch(parent: string, options: WatchOptions): Promise<number> {
  const server = await findServer();
  const { after, json = false } = options;
  if (isTerminal() && !json && after === undefined) {
    const state = await readParent(server, parent, 100);
    const { showLive } = await import("./watch-table.ts");
    return showLive(parent, state, (from, how) =>
      changesOf(server, parent, { after: from, ...how }),
    );
  }
  const from = toSequence(after ?? "0", await readParent(server, parent, 0));
  const changes = changesOf(server, parent, {
    after: from,
    onLost: (reason) => {
      tell(`the connection is lost (${reason}), and tried again`);
    },
  });
  for await (const change of changes) {
    if (json) printJsonLine(change);
    else say(describe(change));
    await untilTaken();
  }
  return exitCodes.done;
}

function toSequence(after: string, { lastSequence }: ParentState): number {
  if (after === "last") return lastSequence;
  if (/^\d+$/.test(after)) return Number(after);
  throw new CommandError(
    exitCodes.badUsage,
    `--after is ${JSON.stringify(after)}: it may be the sequence of a change, 0 for all, or last for what comes from now on`,
  );
}

function describe({ sequence, at, status, reason, report, outcome, worker }: StatusChange): string {
  const told =
    report === null ? reason : `reports${outcome === null ? "" : ` ${outcome}`}: ${report}`;
  return [
    String(sequence).padStart(4),
    new Date(at).toTimeString().slice(0, 8),
    worker.name.padEnd(10),
    status.padEnd(9),
    oneLine(worker.branch),
    ...(told === null ? [] : [oneLine(told)]),
  ].join("  ");
}
