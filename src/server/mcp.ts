// MCP beside GraphQL: its tools ask by the same documents that any client may send.
import type { Viewer } from "../access/viewer.ts";
import type { Logger } from "../log.ts";
import type { McpEndpoint } from "../mcp/endpoint.ts";
import { askAs } from "./ask.ts";
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
