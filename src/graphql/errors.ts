// What clients see of errors: expected failures with their code, everything else masked.
import { GraphQLError } from "graphql";
import { isOutage, outageMessage } from "../database/errors.ts";
import { FactoryError, isErrorCode } from "../errors.ts";
import type { Logger } from "../log.ts";

/** Makes any error that a resolver, or GraphQL itself, threw fit to be seen. */
export function createErrorMask(logger: Logger): (error: unknown) => GraphQLError {
  return (error) => {
    const outer = error instanceof GraphQLError ? error : undefined;
    const cause = outer?.cause ?? error;
    if (cause instanceof FactoryError) {
      return rebuild(outer, cause.message, { code: cause.code, ...cause.facts });
    }
    // GraphQL's own words on a document or a variable; Pothos's on a page's arguments.
    if (outer !== undefined && (outer.cause === undefined || cause instanceof GraphQLError)) {
      return withCode(outer);
    }
    if (isOutage(cause)) {
      logger.warn({ err: cause }, "a request met an unreachable database");
      return rebuild(outer, outageMessage, { code: "SERVICE_UNAVAILABLE" });
    }
    const id = crypto.randomUUID();
    logger.error({ err: cause, id, path: outer?.path }, "an unexpected error");
    return rebuild(outer, `an internal error; the server's log has it under ${id}`, {
      code: "INTERNAL",
      id,
    });
  };
}

/** An error of GraphQL's or Yoga's own, under a code of the contract. */
export function withCode(error: GraphQLError): GraphQLError {
  const { code, http } = error.extensions;
  const plain = http?.status === 405 ? "METHOD_NOT_ALLOWED" : "BAD_INPUT";
  return rebuild(error, error.message, {
    // Yoga takes the answer's status from http, and shows it to nobody. With spec a client of
    // application/json gets 200: right for a document, but not for a request that holds none.
    ...(http === undefined
      ? {}
      : { http: error.source === undefined ? { ...http, spec: false } : http }),
    code: typeof code === "string" && isErrorCode(code) ? code : plain,
  });
}

function rebuild(
  outer: GraphQLError | undefined,
  message: string,
  extensions: Record<string, unknown>,
): GraphQLError {
  return new GraphQLError(message, {
    nodes: outer?.nodes ?? null,
    // A document that can't be parsed has no nodes, but a place.
    source: outer?.source ?? null,
    positions: outer?.positions ?? null,
    path: outer?.path ?? null,
    extensions,
  });
}
