// The Model Context Protocol over streamable HTTP. Nothing is kept between two requests, so that any server may answer
// the next one. Answers are streams, whose keep-alive holds a client's connection open while a tool waits.
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import type { Viewer } from "../access/viewer.ts";
import type { Ask } from "../ask.ts";
import { parseBoundedJson } from "../bounded-json.ts";
import { FactoryError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { createCancellations } from "./cancellations.ts";
import { toolsFor } from "./tools.ts";

const instructions =
  "Factory runs coding agents (workers) side by side, each in a git worktree of its own. Dispatch work with dispatch_worker under one parentSession, wait_for_workers until unfinished is 0, look at each result with get_worker. A failed call says CODE: what to do.";

export interface McpEndpoint {
  fetch(
    request: Request,
    caller: { readonly viewer: Viewer; readonly ask: Ask },
  ): Promise<Response>;
}

interface Exchange {
  readonly viewer: Viewer;
  readonly ask: Ask;
  /** Aborted where the client says in another request that it doesn't wait any more. */
  readonly cancelled: AbortSignal;
}

export function createMcpEndpoint({
  version,
  logger,
}: {
  readonly version: string;
  readonly logger: Logger;
}): McpEndpoint {
  const exchanges = new WeakMap<Request, Exchange>();
  const cancellations = createCancellations();
  const handler = createMcpHandler(
    ({ requestInfo }) => {
      const exchange = requestInfo === undefined ? undefined : exchanges.get(requestInfo);
      if (exchange === undefined) throw new Error("a request came in beside the endpoint");
      return createServer(exchange);
    },
    {
      responseMode: "sse",
      // Lists of tools don't change, so that nobody needs to listen for it.
      maxSubscriptions: 0,
      onerror(error) {
        logger.debug({ err: error }, "a request over MCP was refused");
      },
    },
  );

  function createServer({ viewer, ask, cancelled }: Exchange): McpServer {
    const server = new McpServer(
      { name: "factory", title: "Factory", version },
      { capabilities: { tools: { listChanged: false } }, instructions },
    );
    for (const tool of toolsFor(viewer)) {
      const { name, title, description, hints, input, output } = tool;
      server.registerTool(
        name,
        {
          title,
          description,
          inputSchema: input,
          outputSchema: output,
          annotations: { ...hints, openWorldHint: false },
        },
        (args, { mcpReq }) =>
          tool.call(
            args,
            { viewer, ask, signal: AbortSignal.any([mcpReq.signal, cancelled]) },
            logger,
          ),
      );
    }
    return server;
  }

  return {
    async fetch(request, { viewer, ask }) {
      if (request.method !== "POST") return handler.fetch(request);
      const text = await request.text();
      let message: unknown;
      try {
        message = parseBoundedJson(text, "the body");
      } catch (error) {
        if (!(error instanceof FactoryError)) throw error;
        return refuse(400, -32_700, error.message);
      }
      // Gone from the protocol since 2025-06-18; one request could ask for thousands of calls.
      if (Array.isArray(message)) {
        return refuse(400, -32_600, "batches are not supported: send one message per request");
      }
      const exchange = cancellations.begin(request, viewer, message);
      exchanges.set(request, { viewer, ask, cancelled: exchange.signal });
      return exchange.finish(await handler.fetch(request, { parsedBody: message }));
    },
  };
}

/** In the form of JSON-RPC, without the id of a message that could not be read. */
export function refuse(status: number, code: number, message: string): Response {
  return Response.json({ jsonrpc: "2.0", id: null, error: { code, message } }, { status });
}
