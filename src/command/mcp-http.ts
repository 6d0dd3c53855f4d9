// One message of the Model Context Protocol to the server, and what comes back for it.
import { z } from "zod";
import { readLines, tooLong } from "./lines.ts";

const idShape = z.union([z.string(), z.number()]);

export const messageShape = z.looseObject({
  // null where the server could not read it.
  id: idShape.nullish(),
  method: z.string().optional(),
  params: z
    .looseObject({
      name: z.string().optional(),
      requestId: idShape.optional(),
      _meta: z
        .looseObject({ "io.modelcontextprotocol/protocolVersion": z.string().optional() })
        .optional(),
    })
    .optional(),
  result: z.looseObject({ protocolVersion: z.string().optional() }).optional(),
  error: z.looseObject({ message: z.string() }).optional(),
});
export type Message = z.output<typeof messageShape>;

/** What the client's first exchange has settled, for clients of the protocol before 2026-07-28. */
export interface Settled {
  readonly protocolVersion: string | undefined;
  readonly sessionId: string | undefined;
}

/** What the protocol asks for beside the body. Source: MCP specification, streamable HTTP. */
export function headersFor(
  { method, params }: Message,
  token: string,
  settled: Settled,
): Record<string, string> {
  const named = params?._meta?.["io.modelcontextprotocol/protocolVersion"];
  const version = named ?? settled.protocolVersion;
  return {
    authorization: `Bearer ${token}`,
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
    ...(version === undefined ? {} : { "mcp-protocol-version": version }),
    ...(settled.sessionId === undefined ? {} : { "mcp-session-id": settled.sessionId }),
    ...(named === undefined || method === undefined ? {} : { "mcp-method": encode(method) }),
    ...(named === undefined || params?.name === undefined
      ? {}
      : { "mcp-name": encode(params.name) }),
  };
}

/** A header holds ASCII alone; the protocol has a form for the rest. */
function encode(value: string): string {
  if (/^[\x21-\x7e]+$/.test(value) && !value.startsWith("=?")) return value;
  return `=?base64?${Buffer.from(value).toString("base64")}?=`;
}

/** A result of a tool may be long; more than this is none of the server's. */
const longestLineBytes = 16 * 1024 * 1024;

/** The messages of an answer, a JSON text each, whether it comes as one or as a stream of events. */
export async function* readMessages(response: Response): AsyncGenerator<string> {
  if (response.body === null) return;
  if (response.headers.get("content-type")?.startsWith("text/event-stream") !== true) {
    const text = (await response.text()).trim();
    if (text !== "") yield text;
    return;
  }
  // The server writes each event's data on one line; the comments between keep the connection open.
  for await (const line of readLines(response.body, longestLineBytes)) {
    if (line === tooLong) throw new Error("the server's answer is too long");
    if (line.startsWith("data:")) {
      const data = line.slice("data:".length).trim();
      if (data !== "") yield data;
    }
  }
}
