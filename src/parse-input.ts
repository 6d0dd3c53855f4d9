// What came in, against the schema that describes it.
import type { z } from "zod";
import { FactoryError } from "./errors.ts";

/**
 * @param noun what the fields of the schema are to whoever gave them: "argument"
 * @throws FactoryError BAD_INPUT that names each field that is wrong
 */
export function parseInput<Schema extends z.ZodObject>(
  schema: Schema,
  given: unknown,
  noun: string,
): z.output<Schema> {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => faultOf(issue, noun));
  throw new FactoryError("BAD_INPUT", faults.join("; "));
}

function faultOf(issue: z.core.$ZodIssue, noun: string): string {
  const where = issue.path.map(String).join(".");
  if (issue.code === "unrecognized_keys") {
    const names = issue.keys.map((key) => [...issue.path, key].map(String).join("."));
    return `${names.join(", ")}: there is no such ${noun}`;
  }
  // Of what wasn't given, zod says that it got undefined.
  const isMissing = issue.code === "invalid_type" && issue.message.endsWith("received undefined");
  if (isMissing) return `${where} is missing: ${issue.expected} is expected`;
  return `${where === "" ? `the ${noun}s` : where}: ${issue.message}`;
}
