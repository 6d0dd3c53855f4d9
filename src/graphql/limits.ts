// What a document may cost: checked as validation rules, so that it is refused before execution.
import { createComplexityRule } from "@pothos/plugin-complexity";
import { GraphQLError, NoSchemaIntrospectionCustomRule, type ValidationRule } from "graphql";

/** The introspection query of GraphiQL is 13 deep. */
const deepest = 15;
/** Fields, aliases counted each. */
const broadest = 1_000;
/** Fields times the pages that they are in, each counted as ten entries. */
const costliest = 500_000;
const mostDirectives = 100;
export const mostTokens = 15_000;

export interface LimitOptions {
  readonly introspection: boolean;
}

/** The rules for one document. */
export function limitRules(
  { introspection }: LimitOptions,
  request: {
    readonly context: object;
    readonly variables: Readonly<Record<string, unknown>>;
    readonly operationName: string | undefined;
  },
): ValidationRule[] {
  const complexity = createComplexityRule({
    context: request.context,
    variableValues: { ...request.variables },
    operationName: request.operationName ?? null,
    validate({ depth, breadth, complexity: cost }, report) {
      const faults = [
        fault("depth", depth, deepest),
        fault("number of fields", breadth, broadest),
        fault("cost", cost, costliest),
      ];
      for (const message of faults) if (message !== undefined) report(exceeded(message));
    },
  });
  return [
    limitDirectives,
    refuseNul(request.variables),
    complexity,
    ...(introspection ? [] : [NoSchemaIntrospectionCustomRule]),
  ];
}

function fault(what: string, value: number, most: number): string | undefined {
  if (value <= most) return undefined;
  return `the document's ${what} is ${String(value)}: it may be ${String(most)} at most; ask for less, or in several documents`;
}

const limitDirectives: ValidationRule = (context) => {
  let directives = 0;
  return {
    Directive() {
      directives += 1;
      if (directives === mostDirectives + 1) {
        context.reportError(
          exceeded(`the document may have ${String(mostDirectives)} directives at most`),
        );
      }
    },
  };
};

/** Postgres stores no NUL, no program takes one as an argument, and no name holds one. */
function refuseNul(variables: unknown): ValidationRule {
  return (context) => {
    const report = () => {
      context.reportError(
        new GraphQLError("a text holds a NUL character, which none may", {
          extensions: { code: "BAD_INPUT" },
        }),
      );
    };
    if (holdsNul(variables)) report();
    return {
      StringValue({ value }) {
        if (value.includes("\0")) report();
      },
    };
  };
}

/** With a list of its own rather than recursion: a client chooses how deep its variables are. */
function holdsNul(variables: unknown): boolean {
  const left = [variables];
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value === "string" && value.includes("\0")) return true;
    if (typeof value !== "object" || value === null) continue;
    const inside: unknown[] = Object.values(value);
    left.push(...inside);
  }
  return false;
}

export function exceeded(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: "LIMIT_EXCEEDED" } });
}
