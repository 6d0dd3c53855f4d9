// That an agent asks the model again, in words for people.
import type { AgentFailureCode } from "../errors.ts";
import { failureCodeOf, type FailureFacts } from "./failure-code.ts";
import { plain } from "./reason.ts";

export interface Retry {
  /** What it is asked again for. */
  readonly facts: FailureFacts;
  /** Which time it is; undefined: the agent doesn't say. */
  readonly attempt?: number | undefined;
  readonly most?: number | undefined;
}

/** "the model's server is overloaded, try 6 of 10" */
export function describeRetry({ facts, attempt, most }: Retry): string {
  const code = failureCodeOf(facts);
  const words = plain(facts.words ?? "").slice(0, 200);
  const other =
    words === "" ? "a request to the model failed" : `a request to the model failed (${words})`;
  const why = (code === null ? undefined : causes[code]) ?? other;
  if (attempt === undefined) return `${why}, and is tried again`;
  return `${why}, try ${String(attempt)}${most === undefined ? "" : ` of ${String(most)}`}`;
}

const causes: Partial<Record<AgentFailureCode, string>> = {
  OVERLOADED: "the model's server is overloaded",
  RATE_LIMITED: "the model's server limits how often it may be asked",
  USAGE_LIMIT: "the account's usage limit is reached",
  LOGIN_REQUIRED: "the model's server refused the agent's key or login",
};

/** Of "Reconnecting... 2/5". */
export function countIn(words: string | undefined): Pick<Retry, "attempt" | "most"> {
  const [, attempt, most] = /\b(\d{1,4})\s*(?:\/|of)\s*(\d{1,4})\b/.exec(words ?? "") ?? [];
  return attempt === undefined ? {} : { attempt: Number(attempt), most: Number(most) };
}

/** gemini tells of it on standard error: "Attempt 1 failed with status 503. Retrying with backoff..." */
export function retryInErrors(text: string): string | undefined {
  const found = [
    ...text.matchAll(
      /\battempt (\d{1,4})(?:\/(\d{1,4}))? failed(?: with status (?:code )?(\d{3}))?([^\n]{0,300})/gi,
    ),
  ].at(-1);
  if (found === undefined) return undefined;
  const [, attempt, most, status, words = ""] = found;
  if (!/retry/i.test(words)) return undefined;
  return describeRetry({
    facts: {
      status: status === undefined ? undefined : Number(status),
      words: words.replace(/^\W+/, ""),
    },
    attempt: Number(attempt),
    most: most === undefined ? undefined : Number(most),
  });
}
