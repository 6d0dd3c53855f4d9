// What a tool has at hand: who called it, and the API.
import type { z } from "zod";
import type { Viewer } from "../access/viewer.ts";
import { errorOf, type Ask } from "../ask.ts";
import { FactoryError } from "../errors.ts";

export interface Call {
  readonly viewer: Viewer;
  readonly ask: Ask;
  /** Aborted when the client no longer waits for the result. */
  readonly signal: AbortSignal;
}

export interface Read<Value> {
  readonly value: Value;
  /** What of it could not be told, a line each. */
  readonly gaps: readonly string[];
}

/**
 * Executes a document of one root field, and reads that field.
 * @throws FactoryError with the code and message of the API, where the field itself was refused
 */
export async function read<Schema extends z.ZodType>(
  { ask, signal }: Call,
  {
    document,
    field,
    as,
  }: { readonly document: string; readonly field: string; readonly as: Schema },
  variables: Readonly<Record<string, unknown>>,
): Promise<Read<z.output<Schema>>> {
  const { data, faults } = await ask(document, variables, signal);
  const value = data?.[field] ?? null;
  const [fault] = faults;
  if (value === null && fault !== undefined) throw errorOf(fault);
  return {
    value: as.parse(value),
    gaps: faults.map(
      ({ path, code, message }) => `${path.slice(1).join(".")}: ${code}: ${message}`,
    ),
  };
}

/** The parent that is meant where none is named. @throws FactoryError BAD_INPUT */
export function parentOf({ viewer }: Call, given: string | undefined): string {
  if (given !== undefined) return given;
  if (viewer.kind === "worker") return viewer.name;
  throw new FactoryError(
    "BAD_INPUT",
    "parentSession is missing: give the name under which you dispatch, the same in every call",
  );
}
