// Why an agent failed, in words for people. What agents say of their own errors is a mixture of JSON in
// JSON, addresses and sometimes keys.
import type { FailureCode } from "../errors.ts";
import { errorIn, failureCodeOf, type FailureFacts } from "./failure-code.ts";
import { textIn } from "./json.ts";
import type { AgentExit, AgentVerdict } from "./talk.ts";

const longestReason = 500;

export const success: AgentVerdict = { succeeded: true, reason: null, failureCode: null };

export function failure(reason: string, failureCode: FailureCode | null = null): AgentVerdict {
  return { succeeded: false, reason, failureCode };
}

/** @param what the agent's own words; undefined: it said none */
export function failureOf(what: string | undefined, facts: FailureFacts = {}): AgentVerdict {
  const words = what === undefined ? "" : plain(what);
  const code = failureCodeOf({ ...facts, words: what ?? "" });
  if (words === "") return failure("the agent failed without saying why", code);
  if (code === "LOGIN_REQUIRED") {
    return failure(
      `the model's server refused the agent's key or login: check it (${words})`,
      code,
    );
  }
  return failure(`the agent failed: ${words}`, code);
}

/**
 * The verdict on an agent that ended, or closed its output, before it had said how its work went.
 * @param trouble what it had told of before
 */
export function endedEarly(
  exit: AgentExit | undefined,
  trouble: string | null = null,
  facts: FailureFacts = {},
): AgentVerdict {
  const how = `the agent ended (${describeExit(exit)}) before its turn did`;
  const words = plain(lastLine(exit?.errors ?? "") ?? trouble ?? "");
  const code = failureCodeOf({ ...facts, words }) ?? "AGENT_CRASHED";
  return failure(words === "" ? how : `${how}: ${words}`, code);
}

/** Of standard error, the line that says why: what Node.js prints behind an error says where. */
function lastLine(errors: string): string | undefined {
  const lines = errors.split("\n").filter((line) => line.trim() !== "");
  return lines.findLast((line) => !/^(?:\s|Node\.js v\d|[\])}]+$)/.test(line)) ?? lines.at(-1);
}

function describeExit(exit: AgentExit | undefined): string {
  if (exit === undefined) return "exit code unknown";
  if (exit.signal !== null) return `signal ${exit.signal}`;
  return exit.exitCode === null ? "exit code unknown" : `exit code ${String(exit.exitCode)}`;
}

/** One line without secrets, cut to a length that a person reads. */
export function plain(text: string): string {
  const line = hideSecrets(innermost(text))
    // eslint-disable-next-line no-control-regex -- terminal escapes are what is to be removed
    .replace(/\u001b\[[0-9;]*[A-Za-z]|[\u0000-\u001f\u007f]+/g, " ")
    .replace(/\s+/g, " ")
    .trim();
  return line.length <= longestReason ? line : `${line.slice(0, longestReason)}…`;
}

/** Providers' answers are quoted as JSON inside of messages: what they say is in the innermost. */
function innermost(text: string): string {
  const error = errorIn(text);
  const said = textIn(error, "message");
  if (said === undefined) return text;
  const code = error["code"];
  const prefix = typeof code === "number" ? `${String(code)} ` : "";
  return `${prefix}${said}`;
}

/** What looks like a key, wherever it stands; the session's own secrets are hidden by who stores this. */
function hideSecrets(text: string): string {
  return text
    .replace(/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}/gi, "$1 [hidden]")
    .replace(/\b(sk|pk|rk|ghp|gho|ghs|glpat|xox[a-z]|AIza)[-_]?[A-Za-z0-9_*.-]{8,}/g, "[hidden]")
    .replace(/([?&](?:key|token|api_key|access_token)=)[^&\s"']+/gi, "$1[hidden]")
    .replace(/(:\/\/)[^/@\s]+@/g, "$1");
}
