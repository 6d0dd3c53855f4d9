// The protocol's own client, and an endpoint without a server behind it.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { pino } from "pino";
import type { Viewer } from "../../src/access/viewer.ts";
import type { Answer, Ask } from "../../src/ask.ts";
import { createMcpEndpoint } from "../../src/mcp/endpoint.ts";

export const operator: Viewer = { kind: "operator" };
export const worker: Viewer = {
  kind: "worker",
  sessionId: "00000000-0000-0000-0000-000000000007",
  name: "worker-7",
  repositoryId: null,
};

/** legacy: with the handshake of before 2026-07-28, which most agents have. */
export type Era = "legacy" | "auto";

export async function connect(
  url: string,
  options: { readonly token?: string; readonly fetch?: typeof fetch; readonly era?: Era } = {},
): Promise<Client> {
  const client = new Client(
    { name: "test", version: "1.0.0" },
    { versionNegotiation: { mode: options.era ?? "legacy" } },
  );
  await client.connect(
    new StreamableHTTPClientTransport(new URL("/mcp", url), {
      ...(options.fetch === undefined ? {} : { fetch: options.fetch }),
      requestInit: { headers: { authorization: `Bearer ${options.token ?? "none"}` } },
    }),
  );
  return client;
}

export interface Asked {
  readonly document: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** An endpoint whose API answers as told, and what it was asked. */
export function createEndpoint(
  viewer: Viewer,
  answer: (asked: Asked, signal: AbortSignal) => Answer | Promise<Answer>,
): { readonly asked: Asked[]; readonly fetch: typeof fetch } {
  const asked: Asked[] = [];
  const ask: Ask = async (document, variables, signal) => {
    asked.push({ document, variables });
    return answer({ document, variables }, signal);
  };
  const logger = pino({ level: "silent" });
  const endpoint = createMcpEndpoint({ version: "1.2.3", logger });
  return {
    asked,
    fetch: (input, init) => endpoint.fetch(new Request(input, init), { viewer, ask }),
  };
}

export function data(field: string, value: unknown): Answer {
  return { data: { [field]: value }, faults: [] };
}

export function refused(field: string, code: string, message: string): Answer {
  return { data: { [field]: null }, faults: [{ code, message, path: [field] }] };
}

/** The text of a tool's result. */
export function textOf({ content }: { readonly content: readonly object[] }): string {
  return content.map((part) => ("text" in part ? String(part.text) : "")).join("\n");
}
