// What a route is: one description, which its input is checked against and the API's document is made of.
import { z } from "zod";
import { FactoryError, type ErrorCode } from "../errors.ts";
import { parseInput } from "../parse-input.ts";
import { readBody } from "./body.ts";
import type { Call } from "./call.ts";
import type { AnyReply, Answers, Reply } from "./reply.ts";

export type Method = "get" | "post" | "delete";
interface RouteDefinition<
  Params extends z.ZodObject,
  Query extends z.ZodObject,
  Headers extends z.ZodObject,
  Body extends z.ZodObject,
  Given extends Answers,
> {
  readonly method: Method;
  /** With parameters as in OpenAPI: {owner}. */
  readonly path: string;
  /** For programs that are made of the document. */
  readonly operationId: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly params?: Params;
  readonly query?: Query;
  readonly headers?: Headers;
  readonly body?: Body;
  /** A body that the API's page offers to try. */
  readonly example?: z.input<Body>;
  readonly answers: Given;
  /** Beside those that every route may answer with. */
  readonly errors: readonly ErrorCode[];
  run(
    input: {
      readonly params: z.output<Params>;
      readonly query: z.output<Query>;
      readonly headers: z.output<Headers>;
      readonly body: z.output<Body>;
    },
    call: Call,
  ): Promise<Reply<Given>>;
}

export interface Route {
  readonly method: Method;
  readonly path: string;
  readonly operationId: string;
  readonly tag: string;
  readonly summary: string;
  readonly description: string | undefined;
  readonly params: z.ZodObject;
  readonly query: z.ZodObject;
  readonly headers: z.ZodObject;
  /** undefined: it takes none. */
  readonly body: z.ZodObject | undefined;
  readonly example: object | undefined;
  readonly answers: Answers;
  readonly errors: readonly ErrorCode[];
  /** @param params those of the path, decoded */
  answer(request: Request, params: Readonly<Record<string, string>>, call: Call): Promise<AnyReply>;
}

const nothing = z.strictObject({});

export function defineRoute<
  Given extends Answers,
  Params extends z.ZodObject = typeof nothing,
  Query extends z.ZodObject = typeof nothing,
  Headers extends z.ZodObject = typeof nothing,
  Body extends z.ZodObject = typeof nothing,
>(definition: RouteDefinition<Params, Query, Headers, Body, Given>): Route {
  const { method, path, operationId, tag, summary, description, answers, errors } = definition;
  const { params = nothing, query = nothing, headers = nothing, body, example } = definition;
  return {
    method,
    path,
    operationId,
    tag,
    summary,
    description,
    params,
    query,
    headers,
    body,
    example,
    answers,
    errors,
    async answer(request, givenParams, call): Promise<AnyReply> {
      const input = {
        params: parseInput(params, givenParams, "parameter"),
        query: parseInput(query, readQuery(request), "query parameter"),
        headers: parseInput(headers, readHeaders(request, headers), "header"),
        body: method === "post" ? await parseBody(body ?? nothing, request) : {},
      };
      // Parsed by the schemas whose outputs these are; without one of its own a route takes nothing.
      return definition.run(input as Parameters<typeof definition.run>[0], call);
    },
  };
}

/** None at all is an empty one. @throws FactoryError BAD_INPUT */
async function parseBody(schema: z.ZodObject, request: Request): Promise<object> {
  const given = await readBody(request);
  return parseInput(schema, given === undefined ? {} : given, "field");
}

/** @throws FactoryError BAD_INPUT */
function readQuery(request: Request): Record<string, string> {
  const given = new URL(request.url).searchParams;
  for (const name of given.keys()) {
    if (given.getAll(name).length > 1) {
      throw new FactoryError("BAD_INPUT", `${name} is given more than once: give it once`);
    }
  }
  return Object.fromEntries(given);
}

/** Those that the route takes; the others aren't its own. */
function readHeaders({ headers }: Request, { shape }: z.ZodObject): Record<string, string> {
  const given = Object.keys(shape).map((name) => [name, headers.get(name)] as const);
  // An empty one says nothing.
  return Object.fromEntries(given.filter((entry): entry is [string, string] => !!entry[1]));
}
