// An outage of the database fails everything that needs it, many times a second: each message is written once, and
// counted from then on.
import type { Logger, LogFn } from "pino";
import { isOutage } from "./errors.ts";

const reportEveryMs = 60_000;
/** Messages that are counted by their own text; few hold a name. */
const maxTexts = 100;
const others = "others";

type LogMethod = (this: Logger, args: Parameters<LogFn>, method: LogFn) => void;

/**
 * A hook of pino's. What fails by an outage is written where its message is the first of its text in that outage;
 * once a minute a line says how many more there were, and one that there are none any more. `root` gives the logger
 * for these lines.
 */
export function countOutages(root: () => Logger): LogMethod {
  /** By text, how often it came since the last report; empty: there is no outage. */
  let held = new Map<string, number>();
  let heldInAll = 0;
  let isQuiet = true;
  let timer: NodeJS.Timeout | undefined;

  /** Whether it is to be written. */
  function take(text: string): boolean {
    timer ??= setInterval(report, reportEveryMs).unref();
    isQuiet = false;
    const key = held.has(text) || held.size < maxTexts ? text : others;
    const count = held.get(key);
    held.set(key, count === undefined ? 0 : count + 1);
    if (count === undefined) return true;
    heldInAll += 1;
    return false;
  }

  function report(): void {
    if (isQuiet) {
      clearInterval(timer);
      timer = undefined;
      held = new Map();
      root().info(
        { held: heldInAll },
        "no failure by the database for a minute: the outage is over",
      );
      heldInAll = 0;
      return;
    }
    isQuiet = true;
    const counts = Object.fromEntries([...held].filter(([, count]) => count > 0));
    held = new Map([...held.keys()].map((text) => [text, 0]));
    if (Object.keys(counts).length > 0) {
      root().warn(
        { counts },
        "an outage of the database goes on: so many more messages in the last minute",
      );
    }
  }

  return function write(args, method) {
    const [first, text] = args as readonly unknown[];
    const error = typeof first === "object" && first !== null && "err" in first ? first.err : first;
    if (!isOutage(error) || take(typeof text === "string" ? text : error.message)) {
      method.apply(this, args);
    }
  };
}
