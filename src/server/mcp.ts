// MCP beside GraphQL: its tools ask by the same documents that any client may send.
import { z } from "zod";
import type { Viewer } from "../access/viewer.ts";
import type { Logger } from "../log.ts";
import type { Ask } from "../mcp/call.ts";
import type { McpEndpoint } from "../mcp/endpoint.ts";
import { untilAborted } from "../until-aborted.ts";
import type { GraphQLServer } from "./graphql.ts";

export type McpRoute = (request: Request, viewer: Viewer) => Promise<Response>;

export function createMcpRoute({
  graphql,
  version,
  logger,
}: {
  readonly graphql: GraphQLServer;
  readonly version: string;
  readonly logger: Logger;
}): McpRoute {
  let endpoint: Promise<McpEndpoint> | undefined;
  // At its first use: a server that nobody asks for it does without the memory that it takes.
  const open = () =>
    (endpoint ??= import("../mcp/endpoint.ts").then(({ createMcpEndpoint }) =>
      createMcpEndpoint({ version, logger }),
    ));
  return async (request, viewer) =>
    (await open()).fetch(request, { viewer, ask: askAs(graphql, viewer) });
}

const answerShape = z.object({
  data: z.record(z.string(), z.unknown()).nullish(),
  errors: z
    .array(
      z.object({
        message: z.string(),
        path: z.array(z.union([z.string(), z.number()])).default([]),
        extensions: z.object({ code: z.string() }),
      }),
    )
    .default([]),
});

function askAs(graphql: GraphQLServer, viewer: Viewer): Ask {
  return async (query, variables, signal) => {
    const request = {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ query, variables }),
    };
    const asked = graphql.fetch("http://factory/graphql", request, { viewer, signal });
    const response = await untilAborted(Promise.resolve(asked), signal);
    const { data, errors } = answerShape.parse(await response.json());
    return {
      data: data ?? null,
      faults: errors.map(({ message, path, extensions: { code } }) => ({ code, message, path })),
    };
  };
}
