import type { McpServer } from "./talk.ts";

/** Factory's own tools, for an agent that speaks with the session's token. @param url where workers reach the server */
export function mcpServerFor({
  url,
  token,
}: {
  readonly url: string;
  readonly token: string;
}): McpServer {
  return {
    name: "factory",
    url: new URL("/mcp", url).href,
    headers: { Authorization: `Bearer ${token}` },
  };
}
