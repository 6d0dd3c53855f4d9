import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { startFactory, type FactoryServer } from "../support/factory.ts";

let factory: FactoryServer;

beforeAll(async () => {
  factory = await startFactory();
});

afterAll(async () => {
  await factory.dispose();
});

const typename = JSON.stringify({ query: "{ __typename }" });
const json = { "content-type": "application/json" };

function ask(headers: Record<string, string>, init: RequestInit = {}): Promise<Response> {
  return fetch(`${factory.url}/graphql`, {
    method: "POST",
    body: typename,
    ...init,
    headers: { ...json, ...headers },
  });
}

async function codesOf(response: Response): Promise<string[]> {
  const body = (await response.json()) as { errors?: { extensions: { code: string } }[] };
  return (body.errors ?? []).map(({ extensions }) => extensions.code);
}

/** What a browser has after it has opened the printed address. */
async function openAddress(): Promise<{ response: Response; cookie: string }> {
  const response = await fetch(`${factory.url}/?token=${factory.token}`, { redirect: "manual" });
  const cookie = response.headers.get("set-cookie")?.split(";")[0] ?? "";
  return { response, cookie };
}

describe("tokens over HTTP", () => {
  test("without a token, and with a wrong one, /graphql answers 401 as GraphQL", async () => {
    for (const headers of [
      {},
      { authorization: "Bearer wrong" },
      { authorization: `Basic ${factory.token}` },
      { authorization: factory.token },
      { authorization: `Bearer ${factory.token}x` },
      { cookie: "factory_token=wrong" },
    ]) {
      const response = await ask(headers);
      expect(response.status).toBe(401);
      expect(response.headers.get("content-type")).toContain("application/json");
      expect(await codesOf(response)).toEqual(["UNAUTHENTICATED"]);
    }
  });

  test("every other path asks for a token too, also one that doesn't exist", async () => {
    for (const path of ["/", "/nothing", "/api/factory/repos", "/metrics"]) {
      const response = await fetch(`${factory.url}${path}`);
      expect(response.status).toBe(401);
      expect(await response.json()).toMatchObject({ error: { code: "UNAUTHENTICATED" } });
    }
    expect((await fetch(`${factory.url}/?token=wrong`)).status).toBe(401);
  });

  test("what a refused request asked for does not happen", async () => {
    const response = await ask(
      {},
      {
        body: JSON.stringify({
          query: `mutation { cloneRepository(input: {owner: "o", name: "refused", url: "http://127.0.0.1:1/o/n.git"}) { created } }`,
        }),
      },
    );
    expect(response.status).toBe(401);
    expect(await factory.query(`{ repository(owner: "o", name: "refused") { id } }`)).toEqual({
      repository: null,
    });
  });

  test("with the token it answers, and an unknown path is NOT_FOUND as JSON", async () => {
    const response = await ask({ authorization: `Bearer ${factory.token}` });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ data: { __typename: "Query" } });

    const nothing = await factory.fetch("/nothing");
    expect(nothing.status).toBe(404);
    expect(await nothing.json()).toMatchObject({ error: { code: "NOT_FOUND" } });
    const posted = await factory.fetch("/", { method: "POST" });
    expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    expect(await posted.json()).toMatchObject({ error: { code: "METHOD_NOT_ALLOWED" } });
    const slash = await factory.fetch("/api/", {
      redirect: "manual",
      headers: { accept: "text/html" },
    });
    expect([slash.status, slash.headers.get("location")]).toEqual([308, "/api"]);
  });

  test("/healthz and /readyz ask for no token", async () => {
    expect((await fetch(`${factory.url}/healthz`)).status).toBe(200);
    expect((await fetch(`${factory.url}/readyz`)).status).toBe(200);
  });

  test("a mutation can't be sent by GET, a query can", async () => {
    const mutation = `mutation { cancelWorker(input: {id: "worker-1"}) { worker { id } } }`;
    const refused = await factory.fetch(`/graphql?query=${encodeURIComponent(mutation)}`, {
      headers: { accept: "application/json" },
    });
    expect(refused.status).toBe(405);
    const query = await factory.fetch(`/graphql?query=${encodeURIComponent("{ __typename }")}`, {
      headers: { accept: "application/json" },
    });
    expect(await query.json()).toEqual({ data: { __typename: "Query" } });
  });

  test("a HEAD or an OPTIONS request gets in no more than others", async () => {
    for (const method of ["HEAD", "OPTIONS"]) {
      const response = await fetch(`${factory.url}/graphql`, { method });
      expect(response.status).toBe(401);
    }
  });
});

describe("the browser's cookie", () => {
  test("opening the address with the token sets it, closed to scripts and other sites", async () => {
    const { response } = await openAddress();
    const cookie = response.headers.get("set-cookie") ?? "";
    expect(cookie).toContain("factory_token=");
    expect(cookie).toContain("HttpOnly");
    expect(cookie).toContain("SameSite=Strict");
    expect(cookie).toContain("Path=/");
    // The token is in no address from then on.
    expect(response.status).toBe(303);
    expect(response.headers.get("location")).toBe("/");
  });

  test("it speaks for a page of the server's own", async () => {
    const { cookie } = await openAddress();
    expect((await ask({ cookie, origin: factory.url })).status).toBe(200);
    expect((await ask({ cookie })).status).toBe(200);
  });

  test("from a page of another origin it is refused, that of another port included", async () => {
    const { cookie } = await openAddress();
    for (const origin of [
      "http://evil.example",
      "http://127.0.0.1:1",
      "null",
      `${factory.url}.evil.example`,
    ]) {
      const response = await ask({ cookie, origin });
      expect(response.status).toBe(403);
      expect(await codesOf(response)).toEqual(["FORBIDDEN"]);
    }
  });

  test("a form can't use it", async () => {
    const { cookie } = await openAddress();
    for (const type of [
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
      "text/plain",
      "",
    ]) {
      const response = await ask({ cookie, "content-type": type });
      expect(response.status).toBe(403);
    }
  });

  test("a token in the header counts whatever the origin", async () => {
    const response = await ask({
      authorization: `Bearer ${factory.token}`,
      origin: "http://elsewhere.example",
    });
    expect(response.status).toBe(200);
  });

  test("no answer lets a page of another origin read it", async () => {
    const { cookie } = await openAddress();
    const response = await ask({ cookie, origin: "http://evil.example" });
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
    const allowed = await ask({ authorization: `Bearer ${factory.token}`, origin: factory.url });
    expect(allowed.headers.get("access-control-allow-origin")).toBeNull();
    expect(allowed.headers.get("x-frame-options")).toBe("DENY");
    expect(allowed.headers.get("x-content-type-options")).toBe("nosniff");
    expect(allowed.headers.has("strict-transport-security")).toBe(false);
  });
});

describe("requests", () => {
  test("each gets an id of its own, refused ones too", async () => {
    const ids = await Promise.all(
      [fetch(`${factory.url}/healthz`), ask({}), factory.fetch("/nothing")].map(async (response) =>
        (await response).headers.get("x-request-id"),
      ),
    );
    expect(new Set(ids).size).toBe(3);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("a body of more than 4 MiB is refused, however its length is told", async () => {
    const headers = { authorization: `Bearer ${factory.token}` };
    const body = JSON.stringify({ query: `{ __typename } #${"x".repeat(4 * 1024 * 1024)}` });
    const told = await ask(headers, { body });
    expect(told.status).toBe(413);
    expect(await codesOf(told)).toEqual(["BAD_INPUT"]);

    // Of a length that isn't told, and without an end.
    const endless = request(`${factory.url}/graphql`, {
      method: "POST",
      headers: { ...json, ...headers },
    });
    endless.write(body);
    const [answer] = (await once(endless, "response")) as [IncomingMessage];
    expect(answer.statusCode).toBe(413);
    expect(JSON.parse(await text(answer))).toMatchObject({
      errors: [{ extensions: { code: "BAD_INPUT" } }],
    });
    endless.destroy();
    // The server is there for others.
    expect((await ask(headers)).status).toBe(200);
  });

  test("a task of 100,000 bytes fits, escaped in the longest way", async () => {
    const task = "\u0001".repeat(100_000);
    const response = await ask(
      { authorization: `Bearer ${factory.token}` },
      {
        body: JSON.stringify({
          query: `query ($text: String!) { parentSession(name: $text) { id } }`,
          variables: { text: task },
        }),
      },
    );
    expect(response.status).toBe(200);
  });

  test("malformed JSON, a missing query and a wrong method have an error code", async () => {
    const headers = { authorization: `Bearer ${factory.token}` };
    for (const [body, status] of [
      ["{", 400],
      ["[]", 400],
      ["null", 400],
      [`"x"`, 400],
      ["{}", 400],
      [`{"query":"{"}`, 200],
      [`{"query":"{ nothing }"}`, 200],
      [`{"query":"query A { __typename } query B { __typename }"}`, 400],
    ] as const) {
      const response = await ask(headers, { body });
      expect([body, response.status]).toEqual([body, status]);
      expect(await codesOf(response)).toEqual(["BAD_INPUT"]);
    }
    const wrong = await factory.fetch("/graphql", { method: "PUT", body: typename, headers: json });
    expect(wrong.status).toBe(405);
    expect(await codesOf(wrong)).toEqual(["METHOD_NOT_ALLOWED"]);
  });
});

describe("readiness", () => {
  async function administer(statement: string): Promise<void> {
    const url = new URL(factory.databaseUrl);
    url.pathname = "postgres";
    const client = new pg.Client({ connectionString: url.href });
    await client.connect();
    try {
      await client.query(statement);
    } finally {
      await client.end();
    }
  }

  test("/readyz is 503 while the database is away, /healthz is not, requests are SERVICE_UNAVAILABLE, and it comes back", async () => {
    const name = new URL(factory.databaseUrl).pathname.slice(1);
    await administer(`ALTER DATABASE "${name}" ALLOW_CONNECTIONS false`);
    try {
      await administer(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`,
      );
      const [ready, healthy] = await Promise.all([
        fetch(`${factory.url}/readyz`),
        fetch(`${factory.url}/healthz`),
      ]);
      expect([ready.status, healthy.status]).toEqual([503, 200]);
      expect(await factory.codes("{ repositories { nodes { id } } }")).toEqual([
        "SERVICE_UNAVAILABLE",
      ]);
      // A token that can't be looked up is neither right nor wrong.
      const unknown = await ask({ authorization: "Bearer perhaps-a-workers" });
      expect(unknown.status).toBe(503);
      expect(await codesOf(unknown)).toEqual(["SERVICE_UNAVAILABLE"]);
    } finally {
      await administer(`ALTER DATABASE "${name}" ALLOW_CONNECTIONS true`);
    }
    expect((await fetch(`${factory.url}/readyz`)).status).toBe(200);
    expect(await factory.codes("{ repositories { nodes { id } } }")).toEqual([]);
  });
});
