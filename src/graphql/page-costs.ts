// What lists cost: as much as is asked for, so that the limits can tell a page of ten from one of a hundred.
import { getNamedType, isObjectType, type GraphQLField, type GraphQLSchema } from "graphql";
import { pageSize } from "./builder.ts";

interface PageArguments {
  readonly first?: number | null;
  readonly last?: number | null;
}

/** An event may hold 64 KiB of a worker's output, which other fields don't. */
const eventCost = 100;
/** A task may be of 100,000 bytes. */
const taskCost = 100;
/** Of a worker that asks for permission now and then; those that do so all the time are few. */
const usualStatusEvents = 20;
const mostNext = 20;
/** As many changes as a long poll answers with. */
const mostWaitedFor = 200;
/** Each starts a git, or more than one. */
const gitCost = 1_000;
/** A diff reads every changed file, and holds up to 1 MiB. */
const diffCost = 10_000;
/** A long poll holds a watch, and asks the database again and again. */
const waitCost = 10_000;
/** Of worktrees: what is live from git. */
const liveFields = new Set(["headCommit", "commitsAhead", "changedFiles", "uncommittedFileCount"]);
const eventPage = { default: 500, most: 1_000 } as const;

/** Read by the complexity rule. Gives connections, events, waits and what is live from git their prices. */
export function priceLists(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type)) continue;
    const isConnection = type.name.endsWith("Connection");
    for (const field of Object.values(type.getFields())) {
      if (getNamedType(field.type).name.endsWith("Connection")) {
        price(field, (args) => ({ field: 1, multiplier: sizeOf(args, pageSize) }));
      } else if (type.name === "Query" && field.name.startsWith("wait")) {
        price(field, () => ({ field: waitCost, multiplier: mostWaitedFor }));
      } else if (type.name === "Worktree" && field.name === "diff") {
        price(field, () => ({ field: diffCost, multiplier: 1 }));
      } else if (type.name === "Worktree" && liveFields.has(field.name)) {
        price(field, () => ({ field: gitCost, multiplier: 1 }));
      } else if (isConnection && (field.name === "nodes" || field.name === "edges")) {
        // Its connection has counted them.
        price(field, () => ({ field: 1, multiplier: 1 }));
      } else if (type.name === "WorkerSession" && field.name === "task") {
        price(field, () => ({ field: taskCost, multiplier: 1 }));
      } else if (type.name === "WorkerSession" && field.name === "statusEvents") {
        price(field, () => ({ field: 1, multiplier: usualStatusEvents }));
      } else if (type.name === "WorkerSession" && field.name === "next") {
        price(field, () => ({ field: 1, multiplier: mostNext }));
      } else if (type.name === "WorkerSession" && field.name === "events") {
        price(field, (args) => {
          const events = sizeOf(args, eventPage);
          return { field: eventCost * events, multiplier: events };
        });
      }
    }
  }
  return schema;
}

function price(
  field: GraphQLField<unknown, unknown>,
  costOf: (args: PageArguments) => { field: number; multiplier: number },
): void {
  field.extensions = { ...field.extensions, complexity: costOf };
}

function sizeOf({ first, last }: PageArguments, page: { default: number; most: number }): number {
  return Math.min(Math.max(first ?? last ?? page.default, 0), page.most);
}
