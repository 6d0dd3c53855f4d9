import { expect, test } from "@jest/globals";
import { pino } from "pino";
import { noBrowsers } from "../../support/edge.ts";
import { createHttpApp } from "../../../src/server/http.ts";

test("a server that runs workers alone serves no public API", async () => {
  const app = createHttpApp({
    ...noBrowsers,
    version: "1.0.0",
    graphql: undefined,
    rest: undefined,
    mcp: undefined,
    metrics: { contentType: "text/plain", read: async () => "" },
    authenticator: { identify: async () => ({ kind: "operator" }) },
    threadPool: { waitedMs: () => 0 },
    checkReady: async () => {},
    logger: pino({ level: "silent" }),
  });
  const headers = { authorization: "Bearer any" };
  for (const path of ["/api", "/api/openapi.json", "/api/factory/repos", "/graphql", "/mcp", "/"]) {
    const response = await app.request(path, { headers });
    expect([path, response.status]).toEqual([path, 404]);
    expect(await response.json()).toMatchObject({
      error: { code: "NOT_FOUND", message: expect.stringContaining("ask an api server") },
    });
  }
  expect((await app.request("/healthz")).status).toBe(200);
});

test("/healthz fails where the thread pool has answered nothing for 30 s", async () => {
  let waited = 29_999;
  const app = createHttpApp({
    ...noBrowsers,
    version: "1.0.0",
    graphql: undefined,
    rest: undefined,
    mcp: undefined,
    metrics: { contentType: "text/plain", read: async () => "" },
    authenticator: { identify: async () => ({ kind: "operator" }) },
    threadPool: { waitedMs: () => waited },
    checkReady: async () => {},
    logger: pino({ level: "silent" }),
  });
  expect((await app.request("/healthz")).status).toBe(200);
  waited = 31_000;
  const response = await app.request("/healthz");
  expect(response.status).toBe(503);
  expect(await response.text()).toContain("thread pool has answered nothing for 31 s");
});
