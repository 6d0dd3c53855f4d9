import type { McpServer } from "./talk.ts";

/** Servers as agents' settings have them: an object of settings by name. */
export function byName(
  servers: readonly McpServer[],
  settings: (server: McpServer) => Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(servers.map((server) => [server.name, settings(server)]));
}
