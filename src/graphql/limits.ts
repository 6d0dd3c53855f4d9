// What a document may cost: checked as validation rules, so that it is refused before execution.
import { createComplexityRule } from "@pothos/plugin-complexity";
import {
  getVariableValues,
  GraphQLError,
  Kind,
  NoSchemaIntrospectionCustomRule,
  visit,
  type DocumentNode,
  type GraphQLSchema,
  type ValidationRule,
} from "graphql";
import { checkCursors } from "./cursors.ts";
import { listFault, maxListValues } from "./document-size.ts";
import { badInput, exceeded } from "./limit-errors.ts";

export { exceeded };

/** The introspection query of GraphiQL is 13 deep. */
const deepest = 15;
/** Fields, aliases counted each. */
const broadest = 1_000;
/** Fields times the pages that they are in, as large as those are asked for: see page-costs.ts. */
const costliest = 500_000;
const mostDirectives = 100;
/** Under aliases the schema could be asked for many times in one document; its fields have no cost. */
const mostIntrospectionAliases = 10;
/** That are told: each may repeat the value that it is of. */
export const mostFaults = 20;
export const mostTokens = 15_000;
/** A task of 100,000 bytes fits, escaped in the longest way. */
export const maxDocumentCharacters = 1_000_000;

export interface LimitOptions {
  readonly introspection: boolean;
}

/** What comes with a document. */
export interface DocumentRequest {
  readonly context: object;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly operationName: string | undefined;
}

/**
 * The faults of the values for the operation that is to be executed: to be asked for before the rules,
 * since the complexity rule stops at no number of faults, and half a million of them take half a minute.
 */
export function findVariableFaults(
  { introspection }: LimitOptions,
  schema: GraphQLSchema,
  document: DocumentNode,
  { variables, operationName }: DocumentRequest,
): readonly GraphQLError[] {
  const operations = document.definitions.filter(
    (definition) => definition.kind === Kind.OPERATION_DEFINITION,
  );
  if (operationName === undefined && operations.length > 1) {
    const message = "the document holds several operations: operationName must say which";
    return [new GraphQLError(message, { nodes: operations, extensions: { code: "BAD_INPUT" } })];
  }
  const chosen = operations.find(
    ({ name }) => operationName === undefined || name?.value === operationName,
  );
  const { errors } = getVariableValues(schema, chosen?.variableDefinitions ?? [], variables, {
    maxErrors: mostFaults,
    hideSuggestions: !introspection,
  });
  return errors ?? [];
}

/** The rules for one document. */
export function limitRules(
  { introspection }: LimitOptions,
  request: DocumentRequest,
): ValidationRule[] {
  const complexity = createComplexityRule({
    variableValues: { ...request.variables },
    operationName: request.operationName ?? null,
    context: request.context,
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
    limitIntrospection,
    refuseNul,
    checkCursors(request.variables),
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

const limitIntrospection: ValidationRule = (context) => {
  let aliases = 0;
  return {
    Field({ name, alias }) {
      if (alias === undefined || name.value === "__typename") return;
      const isInside = context.getParentType()?.name.startsWith("__") === true;
      if (!isInside && !name.value.startsWith("__")) return;
      aliases += 1;
      if (aliases === mostIntrospectionAliases + 1) {
        context.reportError(
          exceeded(
            `the document may have ${String(mostIntrospectionAliases)} aliases in its introspection at most`,
          ),
        );
      }
    },
  };
};

/** Postgres stores no NUL, no program takes one as an argument, and no name holds one. */
const refuseNul: ValidationRule = (context) => ({
  StringValue({ value }, _key, parent) {
    if (!value.includes("\0")) return;
    const isNamed = parent !== undefined && "kind" in parent && "name" in parent;
    context.reportError(nulError(isNamed ? parent.name?.value : undefined));
  },
});

/**
 * undefined: nothing is wrong with them. With a list of its own rather than recursion: a client chooses how
 * deep its variables are.
 */
export function checkVariables(variables: unknown): GraphQLError | undefined {
  const left = [{ path: "", value: variables }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { path, value } = next;
    if (typeof value === "string" && value.includes("\0")) return nulError(path);
    if (Array.isArray(value) && value.length > maxListValues) return listFault(path, value.length);
    if (typeof value !== "object" || value === null) continue;
    // One by one: as arguments of one call, many values don't fit on the stack.
    for (const [name, inside] of Object.entries(value) as [string, unknown][]) {
      left.push({ path: path === "" ? name : `${path}.${name}`, value: inside });
    }
  }
  return undefined;
}

/** @param field undefined: the text is one of a list. */
function nulError(field = "a text"): GraphQLError {
  return badInput(`${field} holds a NUL character, which no text may: remove it`);
}

const pageArguments = new Set(["first", "last", "after", "before"]);

/**
 * Whether a document that passed may be refused the next time: where it holds several operations, or its
 * variables choose which of its parts count, how large its pages are, and where they start.
 */
export function variesWithRequest(document: DocumentNode): boolean {
  let operations = 0;
  let choices = 0;
  visit(document, {
    OperationDefinition() {
      operations += 1;
    },
    Directive({ arguments: given = [] }) {
      choices += given.filter(({ value }) => value.kind === Kind.VARIABLE).length;
    },
    Argument({ name, value }) {
      if (value.kind === Kind.VARIABLE && pageArguments.has(name.value)) choices += 1;
    },
  });
  return choices > 0 || operations > 1;
}
