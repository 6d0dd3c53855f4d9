// Reads what is asked over HTTP, within bounds, and refuses in words what other servers offer and this one doesn't.
import { GraphQLError } from "graphql";
import type { GraphQLParams, Plugin } from "graphql-yoga";
import { parseBoundedJson } from "../bounded-json.ts";
import { FactoryError } from "../errors.ts";
import type { Context } from "../graphql/context.ts";

const subscriptionWays =
  "a subscription over HTTP is answered as text/event-stream: send the header Accept: text/event-stream, or subscribe over WebSocket (graphql-transport-ws); multipart/mixed is not supported";
const answerTypes =
  "the header Accept allows no type that there is: application/json or application/graphql-response+json, for a subscription text/event-stream";

export const requestPlugin: Plugin<Context> = {
  onRequestParse({ request, setRequestParser }) {
    const read = readerOf(request);
    if (read !== undefined) setRequestParser(async (given) => checkParams(await read(given)));
  },
  onSubscribe: ({ args, setResultAndStopExecution }) => {
    const request = requestOf(args.contextValue);
    if (request === undefined || acceptsEvents(request.headers.get("accept"))) return;
    setResultAndStopExecution({ errors: [refusal("NOT_SUPPORTED", subscriptionWays, 406)] });
  },
  onResponse: (answer) => {
    const { response } = answer;
    if (response.status !== 406 || response.body !== null) return;
    const errors = [{ message: answerTypes, extensions: { code: "NOT_SUPPORTED" } }];
    answer.setResponse(Response.json({ errors }, { status: 406 }));
  },
};

/** Over WebSocket and from inside there is none, whatever Yoga's types say. */
function requestOf({ request }: { readonly request?: Request }): Request | undefined {
  return request;
}

type Reader = (request: Request) => unknown;

/** undefined: Yoga refuses it. */
function readerOf({ method, headers }: Request): Reader | undefined {
  if (method === "GET") return ({ url }) => readForm(new URL(url).searchParams);
  if (method !== "POST") return undefined;
  const [type = ""] = (headers.get("content-type") ?? "").split(/[;,]/);
  switch (type.trim().toLowerCase()) {
    case "application/json":
    case "application/graphql+json":
      return async (request) => parseJson(await request.text(), "the body");
    case "application/graphql":
      return async (request) => ({ query: await request.text() });
    case "application/x-www-form-urlencoded":
      return async (request) => readForm(new URLSearchParams(await request.text()));
    default:
      return undefined;
  }
}

function readForm(form: URLSearchParams): object {
  const get = (name: string) => {
    const text = form.get(name);
    return text === null || text === "" ? undefined : text;
  };
  const parse = (name: string) => {
    const text = get(name);
    return text === undefined ? undefined : parseJson(text, name);
  };
  return {
    query: get("query"),
    operationName: get("operationName"),
    variables: parse("variables"),
    extensions: parse("extensions"),
  };
}

function parseJson(text: string, what: string): unknown {
  try {
    return parseBoundedJson(text, what);
  } catch (error) {
    if (error instanceof FactoryError) throw refusal(error.code, error.message, 400);
    throw error;
  }
}

/** What its parts are, Yoga checks. */
function checkParams(params: unknown): GraphQLParams {
  if (typeof params !== "object" || params === null) {
    throw refusal(
      "BAD_INPUT",
      'the body must be an object such as {"query": "{ __typename }"}',
      400,
    );
  }
  if (!("query" in params) || !params.query) {
    const { extensions } = params as { readonly extensions?: unknown };
    if (typeof extensions === "object" && extensions !== null && "persistedQuery" in extensions) {
      // Clients go by this message, word for word, and send the query then. Source: Apollo's protocol
      // "Automatic persisted queries".
      throw refusal("NOT_SUPPORTED", "PersistedQueryNotSupported", 200);
    }
  }
  return params;
}

function acceptsEvents(accept: string | null): boolean {
  return accept === null || /(\*|text)\/\*|text\/event-stream/i.test(accept);
}

function refusal(code: string, message: string, status: number): GraphQLError {
  return new GraphQLError(message, { extensions: { code, http: { status } } });
}
