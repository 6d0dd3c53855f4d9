// What clients see of errors: expected failures with their code, everything else masked.
import { GraphQLError } from "graphql";
import { isOutage } from "../database/errors.ts";
import { FactoryError } from "../errors.ts";
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
      const code = outer.extensions["code"];
      const known = typeof code === "string" && !code.startsWith("GRAPHQL_") ? code : "BAD_INPUT";
      return rebuild(outer, outer.message, { ...outer.extensions, code: known });
    }
    if (isOutage(cause)) {
      logger.warn({ err: cause }, "a request met an unreachable database");
      return rebuild(outer, "the database can't be reached at the moment: try again", {
        code: "SERVICE_UNAVAILABLE",
      });
    }
    const id = crypto.randomUUID();
    logger.error({ err: cause, id, path: outer?.path }, "an unexpected error");
    return rebuild(outer, `an internal error; the server's log has it under ${id}`, {
      code: "INTERNAL",
      id,
    });
  };
}

function rebuild(
  outer: GraphQLError | undefined,
  message: string,
  extensions: Record<string, unknown>,
): GraphQLError {
  return new GraphQLError(message, {
    ...(outer?.nodes === undefined ? {} : { nodes: outer.nodes }),
    ...(outer?.path === undefined ? {} : { path: outer.path }),
    extensions,
  });
}
