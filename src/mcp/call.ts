// What a tool has at hand: who called it, and the API. A tool asks by GraphQL documents, like any other client, so
// that rights, limits, error codes and masking are decided in one place.
import type { z } from "zod";
import type { Viewer } from "../access/viewer.ts";
import { FactoryError, isErrorCode } from "../errors.ts";

/** As GraphQL over HTTP answers. */
export interface Answer {
  readonly data: Readonly<Record<string, unknown>> | null;
  readonly faults: readonly Fault[];
}

export interface Fault {
  readonly code: string;
  readonly message: string;
  /** Where in the data, outermost field first; empty for the document as a whole. */
  readonly path: readonly (string | number)[];
}

/** Executes one document as the caller. Rejects with the signal's reason once that is aborted. */
export type Ask = (
  document: string,
  variables: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
) => Promise<Answer>;

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
  if (value === null && fault !== undefined) {
    if (isErrorCode(fault.code)) throw new FactoryError(fault.code, fault.message);
    throw new Error(`the API answered with the code ${fault.code}: ${fault.message}`);
  }
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
