import type { execute, GraphQLSchema, parse, subscribe, validate } from "graphql";
import type { EdgeContext, GraphQLServer } from "./graphql.ts";

/** GraphQL's own functions with the plugins around them, as Yoga gives them for one request. */
export interface Enveloped {
  readonly schema: GraphQLSchema;
  readonly parse: typeof parse;
  readonly validate: typeof validate;
  readonly execute: typeof execute;
  readonly subscribe: typeof subscribe;
  readonly contextFactory: () => PromiseLike<object>;
}

/** For one operation that doesn't come in over HTTP. @param params what its document comes with */
export function envelop(graphql: GraphQLServer, edge: EdgeContext, params: object): Enveloped {
  // Yoga types these as any.
  return graphql.getEnveloped({ ...edge, params }) as Enveloped;
}
