// Typed operations: what is selected decides the type, by schema.graphql.
import { initGraphQLTada } from "gql.tada";
import type { introspection } from "../../generated/monitor/schema-types.d.ts";

export const graphql = initGraphQLTada<{
  introspection: introspection;
  disableMasking: true;
  scalars: {
    /** ISO 8601, in UTC. */
    DateTime: string;
  };
}>();

export type { FragmentOf, ResultOf, TadaDocumentNode, VariablesOf } from "gql.tada";
