// The edge before /mcp: who gets in, and in what form others are refused.
import { beforeEach, expect, test } from "@jest/globals";
import { pino } from "pino";
import type { Viewer } from "../../../src/access/viewer.ts";
import { noBrowsers } from "../../support/edge.ts";
import { createHttpApp, type HttpApp } from "../../../src/server/http.ts";

let app: HttpApp;
let seen: Viewer[];

beforeEach(() => {
  seen = [];
  app = createHttpApp({
    version: "1.0.0",
    graphql: undefined,
    metrics: { contentType: "text/plain", read: async () => "" },
    rest: undefined,
    async mcp(_request, viewer) {
      seen.push(viewer);
      return Response.json({ jsonrpc: "2.0", id: 1, result: {} });
    },
    authenticator: {
      identify: async (credentials) => {
        const isRight =
          credentials?.kind === "token"
            ? credentials.token === "right"
            : credentials?.id === "right";
        return isRight ? { kind: "operator" } : undefined;
      },
    },
    threadPool: { waitedMs: () => 0 },
    ...noBrowsers,
    checkReady: async () => {},
    logger: pino({ level: "silent" }),
  });
});

const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });

function post(headers: Record<string, string>, text = body) {
  return app.request("http://127.0.0.1:4000/mcp", {
    method: "POST",
    headers: { host: "127.0.0.1:4000", "content-type": "application/json", ...headers },
    body: text,
  });
}

async function refusalOf(response: Response): Promise<{ status: number; code: unknown }> {
  const answer = (await response.json()) as {
    jsonrpc: string;
    id: null;
    error: { code: number; message: string; data: { code: string } };
  };
  expect(answer).toMatchObject({ jsonrpc: "2.0", id: null, error: { code: -32_000 } });
  expect(answer.error.message.startsWith(`${answer.error.data.code}: `)).toBe(true);
  return { status: response.status, code: answer.error.data.code };
}

test("with the right token a request gets through, as whom the token names", async () => {
  expect((await post({ authorization: "Bearer right" })).status).toBe(200);
  const own = { authorization: "Bearer right", origin: "http://127.0.0.1:4000" };
  expect((await post(own)).status).toBe(200);
  expect(seen).toEqual([{ kind: "operator" }, { kind: "operator" }]);
});

test("without a token, and with a wrong one, the answer is 401 in the protocol's form", async () => {
  for (const headers of [
    {},
    { authorization: "Bearer wrong" },
    { cookie: "factory_session_4000=wrong" },
  ]) {
    const response = await post(headers);
    expect(response.headers.get("www-authenticate")).toBe("Bearer");
    expect(await refusalOf(response)).toEqual({ status: 401, code: "UNAUTHENTICATED" });
  }
  expect(seen).toEqual([]);
});

test("a page of another origin is refused, whatever its credentials", async () => {
  for (const origin of ["http://evil.example", "http://127.0.0.1:1", "null"]) {
    for (const credentials of [
      { authorization: "Bearer right" },
      { cookie: "factory_session_4000=right" },
    ]) {
      const response = await post({ ...credentials, origin });
      expect(await refusalOf(response)).toEqual({ status: 403, code: "FORBIDDEN" });
    }
  }
  expect(seen).toEqual([]);
});

test("a body of more than 4 MiB is refused", async () => {
  const long = `${body}${" ".repeat(4 * 1024 * 1024)}`;
  const headers = { authorization: "Bearer right", "content-length": String(long.length) };
  expect(await refusalOf(await post(headers, long))).toEqual({ status: 413, code: "BAD_INPUT" });
  expect(seen).toEqual([]);
});
