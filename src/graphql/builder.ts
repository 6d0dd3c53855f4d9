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
    nodesOnConnection: { description: "The entries of this page." },
    edgesFieldOptions: {
      nullable: false,
      description: "The entries of this page, each with its place in the list.",
    },
    nodeFieldOptions: { nullable: false, description: "The entry." },
    cursorFieldOptions: { description: "Its place in the list: for after and before." },
    pageInfoFieldOptions: { description: "Where this page stands in the list." },
    hasNextPageFieldOptions: { description: "Whether there are entries after this page." },
    hasPreviousPageFieldOptions: { description: "Whether there are entries before this page." },
    startCursorFieldOptions: {
      description: "The cursor of the first entry; null on an empty page.",
    },
    endCursorFieldOptions: { description: "The cursor of the last entry; null on an empty page." },
    firstArgOptions: {
      description: "The first so many: 50 by default, 100 at most. Errors: BAD_INPUT below 0.",
    },
    lastArgOptions: {
      description: "The last so many, 100 at most. Errors: BAD_INPUT below 0.",
    },
    afterArgOptions: { description: "Those after this cursor, of the same list." },
    beforeArgOptions: { description: "Those before this cursor, of the same list." },
    idFieldOptions: { description: "The global id, for node(id:)." },
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

/** An id that names a row of any type, for node(id:). */
export function encodeGlobalId(type: string, id: string): string {
  return Buffer.from(`${type}:${id}`).toString("base64");
}
