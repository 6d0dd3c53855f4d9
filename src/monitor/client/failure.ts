// What went wrong, in the server's own words and with its code.
import type { CombinedError } from "@urql/core";

export interface Failure {
  /** One of Factory's codes; NETWORK where the server could not be reached. */
  readonly code: string;
  readonly message: string;
  /** Further facts, such as firstSequence. */
  readonly facts: Readonly<Record<string, unknown>>;
}

interface Fault {
  readonly message: string;
  readonly extensions?: Readonly<Record<string, unknown>> | undefined;
}

export function failureOfFault({ message, extensions = {} }: Fault): Failure {
  const { code, ...facts } = extensions;
  return { code: typeof code === "string" ? code : "INTERNAL", message, facts };
}

export function failureOf(error: CombinedError): Failure {
  const [first] = error.graphQLErrors;
  if (first !== undefined) return failureOfFault(first);
  return {
    code: "NETWORK",
    message: "the server can't be reached: see that it runs, then try again",
    facts: {},
  };
}
