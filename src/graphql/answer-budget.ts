// What one answer may hold, counted while it is made: a document's price knows how much was asked for, and only
// the rows tell how much there is. It is made and written on the one thread that serves all clients.
import {
  defaultFieldResolver,
  isObjectType,
  type GraphQLError,
  type GraphQLFieldResolver,
  type GraphQLResolveInfo,
  type GraphQLSchema,
} from "graphql";
import { exceeded } from "./limit-errors.ts";

const mostFields = 75_000;
/** Of all texts together: some pages of events, or the largest diffs of some worktrees. */
const mostCharacters = 16 * 1024 * 1024;

interface Budget {
  /** Of a subscription each event is an answer of its own. */
  readonly root: unknown;
  fields: number;
  characters: number;
  /** One for all fields that come too late. */
  fault?: GraphQLError;
}

const budgets = new WeakMap<object, Budget>();

type Resolver = GraphQLFieldResolver<unknown, object>;

/** Counts each field of the schema as it is resolved. Beyond the budget: LIMIT_EXCEEDED. */
export function boundAnswers(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith("__")) continue;
    for (const field of Object.values(type.getFields())) {
      const resolve: Resolver = field.resolve ?? defaultFieldResolver;
      field.resolve = (source, args, context: object, info) => {
        const budget = budgetOf(context, info);
        budget.fields += 1;
        check(budget);
        const value = resolve(source, args, context, info);
        return value instanceof Promise
          ? value.then((resolved: unknown) => charge(budget, resolved))
          : charge(budget, value);
      };
    }
  }
  return schema;
}

function budgetOf(context: object, { rootValue }: GraphQLResolveInfo): Budget {
  const known = budgets.get(context);
  if (known !== undefined && known.root === rootValue) return known;
  const budget: Budget = { root: rootValue, fields: 0, characters: 0 };
  budgets.set(context, budget);
  return budget;
}

function charge(budget: Budget, value: unknown): unknown {
  if (typeof value === "string") budget.characters += value.length;
  else if (Array.isArray(value)) {
    // The others are objects, whose fields count.
    for (const one of value) {
      if (typeof one !== "string") break;
      budget.fields += 1;
      budget.characters += one.length;
    }
  } else return value;
  check(budget);
  return value;
}

function check(budget: Budget): void {
  const { fields, characters } = budget;
  if (fields > mostFields) {
    budget.fault ??= exceeded(
      `the answer has more than ${String(mostFields)} fields: ask for less, or in several documents`,
    );
  } else if (characters > mostCharacters) {
    budget.fault ??= exceeded(
      `the texts of the answer have more than ${String(mostCharacters)} characters: ask for less, or in several documents`,
    );
  }
  if (budget.fault !== undefined) throw budget.fault;
}
