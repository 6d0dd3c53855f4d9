import { builder } from "./builder.ts";

/** Pothos gives a connection of a relation its count, and one of a query a function that counts. */
interface Counted {
  readonly totalCount?: number | (() => number | Promise<number>);
}

async function countTotal(connection: object): Promise<number> {
  const { totalCount } = connection as Counted;
  const count = typeof totalCount === "function" ? await totalCount() : totalCount;
  if (count === undefined) throw new Error("this connection does not count");
  return count;
}

builder.globalConnectionField("totalCount", (t) =>
  t.int({
    description: "How many there are on all pages; counted only where it is selected.",
    resolve: countTotal,
  }),
);
