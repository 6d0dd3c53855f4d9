// Checks each document, over HTTP and WebSocket alike, before anything of it is executed.
import {
  GraphQLError,
  parse,
  validate,
  type DocumentNode,
  type ParseOptions,
  type Source,
} from "graphql";
import type { Plugin } from "graphql-yoga";
import type { Context } from "../graphql/context.ts";
import { withCode } from "../graphql/errors.ts";
import { badInput } from "../graphql/limit-errors.ts";
import { findSizeFault } from "../graphql/document-size.ts";
import {
  checkVariables,
  exceeded,
  findVariableFaults,
  limitRules,
  maxDocumentCharacters,
  mostFaults,
  mostTokens,
  variesWithRequest,
} from "../graphql/limits.ts";

/** Refuses, before execution, what is malformed or asks for too much. */
export function limitPlugin(introspection: boolean): Plugin<Context> {
  // Documents come again and again, and Yoga parses each text once: what passed needs no second look.
  const passed = new WeakSet<DocumentNode>();
  return {
    onParse({ setParseFn }) {
      setParseFn((source: string | Source, options?: ParseOptions) => {
        const { length } = typeof source === "string" ? source : source.body;
        if (length > maxDocumentCharacters) {
          throw badInput(
            `the document has ${String(length)} characters: it may have ${String(maxDocumentCharacters)} at most; give long texts as variables`,
          );
        }
        return onStack(() => parse(source, { ...options, maxTokens: mostTokens }));
      });
    },
    onValidate({ context, params, addValidationRule, setValidationFn, setResult }) {
      // Yoga types it as any.
      const documentAST = params.documentAST as DocumentNode;
      const { variables = {}, operationName } = context.params;
      const error = checkVariables(variables);
      if (error !== undefined) {
        setResult([error]);
        return undefined;
      }
      if (passed.has(documentAST)) {
        setResult([]);
        return undefined;
      }
      const request = { context, variables, operationName };
      setValidationFn((...[checked, document, rules]: Parameters<typeof validate>) =>
        onStack(() => {
          const sizeFault = findSizeFault(document);
          if (sizeFault !== undefined) return [sizeFault];
          const faults = findVariableFaults({ introspection }, checked, document, request);
          if (faults.length > 0) return faults.map(shorten);
          return validate(checked, document, rules, {
            maxErrors: mostFaults,
            hideSuggestions: !introspection,
          });
        }),
      );
      for (const rule of limitRules({ introspection }, request)) addValidationRule(rule);
      return ({ valid, result, setResult: setErrors }) => {
        if (!valid) setErrors(tellInOwnWords(result));
        else if (!variesWithRequest(documentAST)) passed.add(documentAST);
      };
    },
  };
}

/** GraphQL repeats the faulty value in the message of each of its faults, and it may be most of the request. */
const longestMessage = 1_000;

function shorten(error: GraphQLError): GraphQLError {
  if (error.message.length <= longestMessage) return error;
  const { nodes, source, positions, path, extensions } = error;
  const message = `${error.message.slice(0, longestMessage - 1).toWellFormed()}…`;
  return new GraphQLError(message, {
    nodes: nodes ?? null,
    source: source ?? null,
    positions: positions ?? null,
    path: path ?? null,
    extensions,
  });
}

function tellInOwnWords(result: readonly Error[]): Error[] {
  const errors = result.map((error) =>
    error instanceof GraphQLError ? withCode(shorten(error)) : error,
  );
  // The complexity rule tells of unknown fields too, in worse words than GraphQL's own.
  const own = errors.filter(({ message }) => !message.startsWith("Unknown field selected"));
  return own.length > 0 ? own : errors;
}

/** Parsing and validating call themselves: a document that is deep enough exhausts the stack. */
function onStack<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof RangeError) throw exceeded("the document is nested too deeply");
    throw error;
  }
}
