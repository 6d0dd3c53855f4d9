import { expect, test } from "@jest/globals";
import { pino } from "pino";
import { createHttpApp } from "../../../src/server/http.ts";

test("a server that runs workers alone serves no public API", async () => {
  const app = createHttpApp({
    version: "1.0.0",
    graphql: undefined,
    rest: undefined,
    mcp: undefined,
    metrics: { contentType: "text/plain", read: async () => "" },
    authenticator: { identify: async () => ({ kind: "operator" }) },
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
