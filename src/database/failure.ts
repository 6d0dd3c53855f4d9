import { FactoryError, type ErrorCode } from "../errors.ts";
import type { Logger } from "../log.ts";
import { isOutage, outageMessage } from "./errors.ts";

/** What a row keeps of a failure: a code for programs, a text fit to show to a person. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
}

/** An unexpected error is masked, and logged whole under an id that the message names. */
export function describeFailure(error: unknown, logger: Logger): Failure {
  if (error instanceof FactoryError) return { code: error.code, message: error.message };
  if (isOutage(error)) {
    logger.warn({ err: error }, "an outage of the database");
    return { code: "SERVICE_UNAVAILABLE", message: outageMessage };
  }
  const id = crypto.randomUUID();
  logger.error({ err: error, id }, "an unexpected error");
  return { code: "INTERNAL", message: `an internal error; the server's log has it under ${id}` };
}
