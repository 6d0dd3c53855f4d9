// What to answer where nothing was ever dispatched under a name: it may be mistyped, so the names that there are.
import { z } from "zod";
import { read, type Call } from "./call.ts";

/** The latest; more would be no help. */
const mostNames = 20;

export const knownParentsShape = z
  .array(z.string())
  .nullable()
  .describe(
    `Where no worker was ever dispatched under parentSession: names under which some were, the latest first, ${String(mostNames)} at most. Else null.`,
  );

/**
 * @returns names under which workers were dispatched, of those that the caller may see, the latest first; undefined:
 * under this one there were some
 */
export async function findOtherParents(call: Call, name: string): Promise<string[] | undefined> {
  const { value: parent } = await read(call, parentQuery, { name });
  if ((parent?.workerCounts.total ?? 0) > 0) return undefined;
  const { value: parents } = await read(call, parentsQuery, { last: mostNames });
  return parents.nodes
    .filter(({ workerCounts }) => workerCounts.total > 0)
    .map((node) => node.name)
    .toReversed();
}

export function describeOtherParents(name: string, others: readonly string[]): string {
  const none = `No worker was ever dispatched under the name ${JSON.stringify(name)}.`;
  if (others.length === 0) return `${none} There is none under any other that you may see.`;
  const names = others.map((other) => JSON.stringify(other)).join(", ");
  const which = others.length < mostNames ? "" : `, the latest ${String(mostNames)}`;
  return `${none} Names with workers${which}: ${names}.`;
}

const counted = z.object({ workerCounts: z.object({ total: z.int() }) });

const parentQuery = {
  document: "query ($name: String!) { parentSession(name: $name) { workerCounts { total } } }",
  field: "parentSession",
  as: counted.nullable(),
};

const parentsQuery = {
  document:
    "query ($last: Int!) { parentSessions(last: $last) { nodes { name workerCounts { total } } } }",
  field: "parentSessions",
  as: z.object({ nodes: z.array(counted.extend({ name: z.string() })) }),
};
