// `factory logs`: what a worker has printed and said, and, with -f, what it goes on to say.
import { exitCodes, findServer } from "./connection.ts";
import { oneLine } from "./harmless.ts";
import { LogPrinter } from "./log-printer.ts";
import { hint, isTerminal, printJsonLine, untilTaken } from "./print.ts";
import { naming } from "./suggest.ts";
import { followEvents, readEvents, type WorkerEvent } from "./worker-events.ts";
import { isFinal } from "./worker-fields.ts";
import type { LogsOptions } from "./options.ts";

export async function logs(id: string, options: LogsOptions): Promise<number> {
  const { follow = false, raw = false, json = false } = options;
  const server = await findServer();
  const printer = json ? undefined : new LogPrinter({ isRaw: raw });
  let last = 0;
  let status = "";
  let reason: string | null = null;

  const print = (event: WorkerEvent & { readonly sequence: number }) => {
    last = event.sequence;
    if (event.__typename === "WorkerStatusEvent") ({ status, reason } = event);
    if (printer === undefined) printJsonLine(event);
    else printer.print(event);
  };
  const tellStatus = () => {
    hint(`${id} ${status}${reason === null ? "" : `: ${oneLine(reason)}`}`);
  };

  await naming(server, { worker: id }, async () => {
    for await (const event of readEvents(server, id)) {
      print(event);
      await untilTaken();
    }
  });
  if (follow && !isFinal(status)) {
    if (last <= 1) tellStatus();
    const events = followEvents(server, id, { after: last, ...tellConnection() });
    for await (const event of events) {
      print(event);
      await untilTaken();
    }
  }
  printer?.end();
  if (isTerminal() && !json) tellStatus();
  return exitCodes.done;
}

/** For people: a program only sees that it takes longer. */
export function tellConnection(): { onLost(reason: string): void; onFound(): void } {
  return {
    onLost(reason) {
      hint(`the connection is lost (${reason}), and tried again`);
    },
    onFound() {
      hint("the connection is back: nothing was missed");
    },
  };
}
