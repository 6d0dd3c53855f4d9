// GraphQL as the rest of the server asks it: see src/ask.ts.
import { GraphQLError } from "graphql";
import { z } from "zod";
import type { Viewer } from "../access/viewer.ts";
import { errorOf, type Answer, type Ask, type Fault, type Listen } from "../ask.ts";
import { isErrorCode } from "../errors.ts";
import { createErrorMask } from "../graphql/errors.ts";
import type { Logger } from "../log.ts";
import { mapGenerator } from "../map-generator.ts";
import { untilAborted } from "../until-aborted.ts";
import { envelop } from "./enveloped.ts";
import type { GraphQLServer } from "./graphql.ts";

const answerShape = z.object({
  data: z.record(z.string(), z.unknown()).nullish(),
  errors: z
    .array(
      z.object({
        message: z.string(),
        path: z.array(z.union([z.string(), z.number()])).default([]),
        extensions: z.looseObject({ code: z.string() }),
      }),
    )
    .default([]),
});

export function askAs(graphql: GraphQLServer, viewer: Viewer): Ask {
  return async (query, variables, signal) => {
    const request = {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ query, variables }),
    };
    const asked = graphql.fetch("http://factory/graphql", request, { viewer, signal });
    const response = await untilAborted(Promise.resolve(asked), signal);
    return read(await response.json());
  };
}

export function listenAs(graphql: GraphQLServer, viewer: Viewer, logger: Logger): Listen {
  const mask = createErrorMask(logger);

  /** What the plugins masked stays as it is. */
  function maskedError(error: unknown): Error {
    const isMasked = error instanceof GraphQLError && isErrorCode(codeOf(error));
    return errorOf(faultOf(isMasked ? error : mask(error)));
  }

  return async (query, variables, signal) => {
    const enveloped = envelop(graphql, { viewer, signal }, { query, variables });
    const { schema } = enveloped;
    const document = enveloped.parse(query);
    const [fault] = enveloped.validate(schema, document);
    if (fault !== undefined) throw maskedError(fault);
    const source = await enveloped.subscribe({
      schema,
      document,
      variableValues: { ...variables },
      contextValue: await enveloped.contextFactory(),
    });
    if (!(Symbol.asyncIterator in source)) {
      const [refusal] = source.errors ?? [];
      throw refusal === undefined ? new Error("a refusal without an error") : maskedError(refusal);
    }
    return mapGenerator(source, read, maskedError);
  };
}

function read(result: unknown): Answer {
  const { data, errors } = answerShape.parse(result);
  return { data: data ?? null, faults: errors.map(faultOf) };
}

function faultOf({
  message,
  path,
  extensions,
}: Pick<GraphQLError, "message" | "extensions"> & { readonly path?: Fault["path"] | undefined }) {
  const { code, ...facts } = extensions;
  return { code: String(code), message, path: path ?? [], facts };
}

function codeOf({ extensions }: GraphQLError): string | null {
  const { code } = extensions;
  return typeof code === "string" ? code : null;
}
