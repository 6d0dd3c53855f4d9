// Numbers and times, as people read them.

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** 42s, 3m, 2h 05m, 3d: two units at most. */
export function tellDuration(ms: number): string {
  const rounded = Math.max(0, ms);
  if (rounded < minute) return `${String(Math.floor(rounded / second))}s`;
  if (rounded < hour) return `${String(Math.floor(rounded / minute))}m`;
  if (rounded < day) {
    const minutes = Math.floor((rounded % hour) / minute);
    return `${String(Math.floor(rounded / hour))}h ${String(minutes).padStart(2, "0")}m`;
  }
  return `${String(Math.floor(rounded / day))}d`;
}

export function tellAgo(moment: string, now: number): string {
  const ms = now - Date.parse(moment);
  return ms < 5 * second ? "just now" : `${tellDuration(ms)} ago`;
}

const moments = new Intl.DateTimeFormat(undefined, {
  dateStyle: "medium",
  timeStyle: "medium",
  // As the stream's times, which stand in columns.
  hourCycle: "h23",
});

export function tellMoment(moment: string): string {
  return moments.format(new Date(moment));
}

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** 950, 12.3K, 4M. */
export function tellNumber(value: number): string {
  return compact.format(value);
}

export function tellCost(usd: number): string {
  return usd < 0.005 && usd > 0 ? "<$0.01" : `$${usd.toFixed(2)}`;
}

export interface UsageFacts {
  readonly costUsd: number | null;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** The cost where it is known, else the tokens. */
export function tellUsage({ costUsd, inputTokens, outputTokens }: UsageFacts): string {
  return costUsd === null ? `${tellNumber(inputTokens + outputTokens)} tok` : tellCost(costUsd);
}

export function tellWholeUsage({ costUsd, inputTokens, outputTokens }: UsageFacts): string {
  const tokens = `${tellNumber(inputTokens)} tokens read, ${tellNumber(outputTokens)} written`;
  return costUsd === null ? tokens : `${tellCost(costUsd)}, ${tokens}`;
}

/** 1 worker, 2 workers. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${String(number)} ${number === 1 ? one : many}`;
}

/** What a program may have put into its words to colour a terminal, or to turn the words after it around. */
const unseen = /\p{Cc}\[[0-9;?]*[@-~]|\p{Cc}|\p{Bidi_Control}/gu;
const longestLine = 500;

/** Of a text that somebody else wrote, what fits into a line. */
export function firstLine(text: string): string {
  const line = text.trimStart().split("\n", 1)[0] ?? "";
  return line.slice(0, longestLine).replace(unseen, "");
}
