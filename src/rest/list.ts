// Pages: what lists take and give, the same for all.
import { z } from "zod";
import { wholeNumber } from "./query.ts";

export const pageQuery = z.strictObject({
  first: wholeNumber("How many: 50 by default, 100 at most."),
  after: z.string().optional().describe("The next of the last answer, to go on there."),
});

/** GraphQL's connection, as far as a page needs it. */
export function connectionShape<Node extends z.ZodObject>(node: Node) {
  return z.object({
    nodes: z.array(node),
    pageInfo: z.object({ hasNextPage: z.boolean(), endCursor: z.string().nullable() }),
  });
}

export const next = z
  .string()
  .optional()
  .describe("For after, to get the next page. Missing on the last one.");

/** Left out where there is no more. */
export function nextOf({
  pageInfo: { hasNextPage, endCursor },
}: {
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
}): { next?: string } {
  return hasNextPage && endCursor !== null ? { next: endCursor } : {};
}
