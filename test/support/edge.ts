// What the HTTP edge takes of its surroundings, where a test has none of them.
import { BlockList } from "node:net";
import type { HttpDependencies } from "../../src/server/http.ts";

export const noBrowsers: Pick<HttpDependencies, "sessions" | "link" | "failures" | "proxies"> = {
  sessions: {
    create: async () => "id",
    isValid: async () => false,
    end: async () => {},
    watchEnd: () => () => {},
  },
  link: { create: () => "/", use: () => false },
  failures: { secondsToWait: () => 0, failed: () => {}, succeeded: () => {} },
  proxies: new BlockList(),
};
