// Why an agent failed, in words for people. What agents say of their own errors is a mixture of JSON in
// JSON, addresses and sometimes keys.
import { isObject, objectIn, parseObject, textIn } from "./json.ts";
import type { AgentExit, AgentVerdict } from "./talk.ts";

const longestReason = 500;

export const success: AgentVerdict = { succeeded: true, reason: null, failureCode: null };

export function failure(reason: string, failureCode: string | null = null): AgentVerdict {
  return { succeeded: false, reason, failureCode };
}

/** @param what the agent's own words; undefined: it said none */
export function failureOf(what: string | undefined): AgentVerdict {
  const words = what === undefined ? "" : plain(what);
  if (words === "") return failure("the agent failed without saying why");
  if (isAboutKey(words)) {
    return failure(`the model's server refused the agent's key or login: check it (${words})`);
  }
  return failure(`the agent failed: ${words}`);
}

/** The verdict on an agent that ended, or closed its output, before it had said how its work went. */
export function endedEarly(exit: AgentExit | undefined): AgentVerdict {
  return failure(`the agent ended (${describeExit(exit)}) before its turn did`);
}

function describeExit(exit: AgentExit | undefined): string {
  if (exit === undefined) return "exit code unknown";
  if (exit.signal !== null) return `signal ${exit.signal}`;
  return exit.exitCode === null ? "exit code unknown" : `exit code ${String(exit.exitCode)}`;
}

export function isAboutKey(words: string): boolean {
  return /\b401\b|unauthori[sz]ed|unauthenticated|authenticat|(invalid|incorrect|missing) api key/i.test(
    words,
  );
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
  const start = text.indexOf("{");
  if (start === -1) return text;
  const object = parseObject(text.slice(start, text.lastIndexOf("}") + 1));
  if (object === undefined) return text;
  const error = isObject(object["error"]) ? objectIn(object, "error") : object;
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
