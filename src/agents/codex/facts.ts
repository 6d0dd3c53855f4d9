// What codex says of an error in fields, the same over the protocol and headless.
import type { FailureFacts } from "../failure-code.ts";
import { isObject, numberIn, textIn, type JsonObject } from "../json.ts";

/** @param error with codexErrorInfo: a name, or an object of one name with the HTTP status below it */
export function factsOfCodex(error: JsonObject): FailureFacts {
  const name = textIn(error, "codexErrorInfo");
  if (name !== undefined) return { kinds: [name] };
  const info = error["codexErrorInfo"];
  if (!isObject(info)) return {};
  const [first] = Object.entries(info);
  if (first === undefined) return {};
  const [kind, more] = first;
  return { kinds: [kind], status: numberIn(more, "httpStatusCode") };
}
