// REST beside GraphQL: its routes ask by the same documents that any client may send.
import type { Viewer } from "../access/viewer.ts";
import { describeFailure } from "../database/failure.ts";
import type { Logger } from "../log.ts";
import type { RestApi } from "../rest/api.ts";
import { askAs, listenAs } from "./ask.ts";
import type { GraphQLServer } from "./graphql.ts";

export interface RestRoute {
  /** @param cut ends the connection, for a reader that doesn't read */
  fetch(request: Request, viewer: Viewer, cut: () => void): Promise<Response>;
  /** Ends the streams. */
  close(): Promise<void>;
}

export function createRestRoute({
  graphql,
  version,
  logger,
}: {
  readonly graphql: GraphQLServer;
  readonly version: string;
  readonly logger: Logger;
}): RestRoute {
  let api: Promise<RestApi> | undefined;
  // At its first use: a server that nobody asks for it does without the memory that it takes.
  const open = () =>
    (api ??= import("../rest/api.ts").then(({ createRestApi }) =>
      createRestApi({ version, mask: (error) => describeFailure(error, logger) }),
    ));
  return {
    async fetch(request, viewer, cut) {
      const ask = askAs(graphql, viewer);
      const listen = listenAs(graphql, viewer, logger);
      return (await open()).fetch(request, { ask, listen, cut });
    },
    async close() {
      (await api)?.close();
    },
  };
}
