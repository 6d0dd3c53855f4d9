// Server-sent events, and a GraphQL subscription over them, as a client without WebSocket has it.
import type { FactoryServer, Variables } from "./factory.ts";

export interface ServerSentEvent {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: string;
}

const waitTimeoutMs = 30_000;

/**
 * POSTs the document and yields what comes, until the server ends the stream, or the caller leaves the loop.
 */
export async function* streamEvents(
  server: FactoryServer,
  query: string,
  variables: Variables,
): AsyncGenerator<ServerSentEvent> {
  const leaving = new AbortController();
  const response = await server.fetch("/graphql", {
    method: "POST",
    headers: { accept: "text/event-stream", "content-type": "application/json" },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.any([leaving.signal, AbortSignal.timeout(waitTimeoutMs)]),
  });
  try {
    yield* readEvents(response);
  } finally {
    leaving.abort();
  }
}

/** Source of the format: the HTML standard, 9.2.6, "Interpreting an event stream". */
export async function* readEvents(response: Response): AsyncGenerator<ServerSentEvent> {
  const type = response.headers.get("content-type") ?? "";
  if (!type.startsWith("text/event-stream") || response.body === null) {
    throw new Error(`no event stream, but ${String(response.status)}: ${await response.text()}`);
  }
  let text = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const event = parse(block);
      if (event !== undefined) yield event;
    }
  }
}

/** undefined for comments, which keep a connection alive. */
function parse(block: string): ServerSentEvent | undefined {
  const fields = new Map<string, string>();
  for (const line of block.split("\n")) {
    const [, name = "", value = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (name !== "") fields.set(name, fields.has(name) ? `${fields.get(name)!}\n${value}` : value);
  }
  if (fields.size === 0) return undefined;
  const event = fields.get("event") ?? "message";
  return { event, id: fields.get("id"), data: fields.get("data") ?? "" };
}
