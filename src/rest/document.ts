// The API's description for programs, made of the routes.
import { z } from "zod";
import {
  createDocument,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
  type ZodOpenApiResponseObject,
  type ZodOpenApiResponsesObject,
} from "zod-openapi";
import { errorCodes, type ErrorCode } from "../errors.ts";
import type { Answers } from "./reply.ts";
import type { Route } from "./route.ts";

const everywhere = [
  "BAD_INPUT",
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "INTERNAL",
  "SERVICE_UNAVAILABLE",
] as const satisfies readonly ErrorCode[];

const description = `The operations of Factory's GraphQL API, for scripts. Fields have GraphQL's names.

Send the token as \`Authorization: Bearer TOKEN\`. A worker's token reads its own session, its descendants, their worktrees and its repository.

A failure is \`{"error": {"code", "message"}}\`: the code is for programs and never changes, the message says what to do. A path that doesn't exist is NOT_FOUND, another method on one that does METHOD_NOT_ALLOWED.

Lists take \`first\` and \`after\`, and answer with \`next\` where there is more.

Streams are server-sent events, numbered from 1 without holes. After a lost connection \`Last-Event-ID\` or \`after\` goes on where it was. A stream that has failed ends with an event of the type \`error\`, whose data is a failure.`;

const error = z
  .object({
    error: z.object({
      code: z.enum(Object.keys(errorCodes) as [ErrorCode, ...ErrorCode[]]),
      message: z.string().describe("What is wrong and what to do, fit to show to a person."),
      firstSequence: z.int().optional().describe("EVENTS_EXPIRED: the oldest event that is left."),
      lastSequence: z.int().optional().describe("CURSOR_AHEAD: the latest event."),
    }),
  })
  .meta({ id: "Error", description: "Why a request was refused." });

export function describeApi(routes: readonly Route[], version: string): object {
  const paths: ZodOpenApiPathsObject = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method]: describeOperation(route) };
  }
  return createDocument(
    {
      openapi: "3.1.1",
      info: { title: "Factory", version, description },
      servers: [{ url: "/" }],
      security: [{ token: [] }, { cookie: [] }],
      paths,
      components: {
        schemas: { Error: error, ...eventSchemas(routes) },
        securitySchemes: {
          token: { type: "http", scheme: "bearer" },
          cookie: { type: "apiKey", in: "cookie", name: "factory_session_PORT" },
        },
      },
    },
    {
      override({ jsonSchema, io }) {
        // Answers may get more fields.
        if (io === "output") delete jsonSchema.additionalProperties;
        // What zod takes for an integer is no limit of ours.
        if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
        if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      },
    },
  );
}

function describeOperation(route: Route): ZodOpenApiOperationObject {
  const { operationId, tag, summary, description: more, params, query, headers, body } = route;
  return {
    operationId,
    tags: [tag],
    summary,
    ...(more === undefined ? {} : { description: more }),
    requestParams: { path: params, query, header: headers },
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: isRequired(body),
            content: { "application/json": { schema: body, example: route.example ?? {} } },
          },
        }),
    responses: { ...describeAnswers(route.answers), ...describeErrors(route.errors) },
  };
}

function isRequired(body: z.ZodObject): boolean {
  return !body.safeParse({}).success;
}

function describeAnswers(answers: Answers): ZodOpenApiResponsesObject {
  return Object.fromEntries(
    Object.entries(answers).map(([status, { description: what, body, events }]) => {
      const response: ZodOpenApiResponseObject = { description: what };
      if (body !== undefined) response.content = { "application/json": { schema: body } };
      if (events !== undefined) {
        // OpenAPI 3.1 has no word for what the data of an event is.
        const data = { "x-event-data": { $ref: `#/components/schemas/${idOf(events)}` } };
        response.content = { "text/event-stream": { schema: { type: "string" }, ...data } };
      }
      return [status, response];
    }),
  );
}

/** Nothing refers to them otherwise, so that they must be named. */
function eventSchemas(routes: readonly Route[]): Record<string, z.ZodType> {
  const all = routes.flatMap(({ answers }) =>
    Object.values(answers).flatMap(({ events }) => (events === undefined ? [] : [events])),
  );
  return Object.fromEntries(all.map((events) => [idOf(events), events]));
}

function idOf(schema: z.ZodType): string {
  const id = schema.meta()?.id;
  if (id === undefined) throw new Error("the schema of a stream's events has no id");
  return id;
}

function describeErrors(more: readonly ErrorCode[]): ZodOpenApiResponsesObject {
  const codes = [...everywhere, ...more];
  const byStatus = Map.groupBy(codes, (code) => errorCodes[code]);
  return Object.fromEntries(
    [...byStatus].map(([status, these]) => [
      String(status),
      {
        description: these.join(", "),
        content: { "application/json": { schema: error } },
      },
    ]),
  );
}
