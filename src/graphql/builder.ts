import SchemaBuilder from "@pothos/core";
import ComplexityPlugin from "@pothos/plugin-complexity";
import PrismaPlugin from "@pothos/plugin-prisma";
import RelayPlugin from "@pothos/plugin-relay";
import type PrismaTypes from "../generated/pothos.ts";
import { getDatamodel } from "../generated/pothos.ts";
import type { Context } from "./context.ts";

/** Pages of connections: this many by default, and at most. */
export const pageSize = { default: 50, most: 100 } as const;

export const builder = new SchemaBuilder<{
  Context: Context;
  PrismaTypes: PrismaTypes;
  Scalars: { DateTime: { Input: Date; Output: Date } };
  DefaultFieldNullability: false;
  DefaultEdgesNullability: false;
  DefaultNodeNullability: false;
}>({
  plugins: [PrismaPlugin, RelayPlugin, ComplexityPlugin],
  defaultFieldNullability: false,
  relay: {
    clientMutationId: "omit",
    cursorType: "String",
    nodesOnConnection: true,
    edgesFieldOptions: { nullable: false },
    nodeFieldOptions: { nullable: false },
    // `node` is defined beside the types, where what a viewer may see is known.
    nodeQueryOptions: false,
    nodesQueryOptions: false,
    nodeTypeOptions: { description: "Anything that has an id." },
    pageInfoTypeOptions: { description: "Where a page stands in its list." },
  },
  prisma: {
    client: (context) => context.prisma,
    dmmf: getDatamodel(),
    exposeDescriptions: false,
    filterConnectionTotalCount: true,
    maxConnectionSize: pageSize.most,
    defaultConnectionSize: pageSize.default,
  },
  // The limits themselves are a validation rule, see limits.ts: refused before execution.
  complexity: { disabled: true },
});

builder.queryType({ description: "Everything that can be read." });
builder.mutationType({
  description:
    "Everything that can be done. Every field is nullable, so that one refused call in a document doesn't hide the results of the others.",
});
builder.subscriptionType({
  description:
    "What happens, as it happens. Every stream numbers its events from 1, without holes. after: N replays all that is stored after N, then goes on live, without a gap or a repeat; after: 0 starts at the oldest stored event; without after the subscriber gets what comes from now on. Beyond the last sequence: CURSOR_AHEAD. Where what was asked for is no longer kept: EVENTS_EXPIRED, with extensions.firstSequence.",
});
