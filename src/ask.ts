// How what stands beside GraphQL asks it: by documents, like any other client, so that rights, limits, error codes
// and masking are decided in one place.
import { FactoryError, isErrorCode } from "./errors.ts";

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
  /** Further facts for programs, e.g. firstSequence. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

export type Variables = Readonly<Record<string, unknown>>;

/** Executes one document as the caller. Rejects with the signal's reason once that is aborted. */
export type Ask = (document: string, variables: Variables, signal: AbortSignal) => Promise<Answer>;

/**
 * Subscribes as the caller; resolves when the subscription stands. Its `return()` ends it at once.
 * @throws FactoryError with the code and message of the API, before it stands and later
 */
export type Listen = (
  document: string,
  variables: Variables,
  signal: AbortSignal,
) => Promise<AsyncGenerator<Answer>>;

/** The same code, message and facts; an Error that is a bug where the API gave no code of the contract. */
export function errorOf({ code, message, facts = {} }: Fault): Error {
  if (isErrorCode(code)) return new FactoryError(code, message, { facts });
  return new Error(`the API answered with the code ${code}: ${message}`);
}
