import { once } from "node:events";
import { request, type IncomingMessage, type RequestOptions } from "node:http";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { postToken, signIn } from "../support/sign-in.ts";

let factory: FactoryServer;
/** On the same database, behind a proxy that it trusts. */
let proxied: FactoryServer;

beforeAll(async () => {
  factory = await startFactory();
  proxied = await startFactory({
    database: { url: factory.databaseUrl },
    arguments: ["--role", "api"],
    env: { FACTORY_TOKEN: factory.token, FACTORY_TRUSTED_PROXIES: "10.0.0.0/8, 127.0.0.1" },
  });
});

afterAll(async () => {
  await proxied.dispose();
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

interface RawAnswer {
  readonly statusCode?: number | undefined;
  readonly headers: IncomingMessage["headers"];
}

/** With a Host of its own, which fetch() doesn't allow. */
async function raw(
  { url }: FactoryServer,
  path: string,
  { body, ...options }: RequestOptions & { readonly body: string },
): Promise<RawAnswer> {
  const sent = request(url + path, options);
  sent.end(body);
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  answer.resume();
  return answer;
}

describe("tokens over HTTP", () => {
  test("without a token, and with a wrong one, /graphql answers 401 as GraphQL", async () => {
    for (const headers of [
      {},
      { authorization: "Bearer wrong" },
      { authorization: `Basic ${factory.token}` },
      { authorization: factory.token },
      { authorization: `Bearer ${factory.token}x` },
      { cookie: `factory_session_${new URL(factory.url).port}=wrong` },
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
    // A token in an address would stand in logs and histories.
    const opened = await fetch(`${factory.url}/?token=${factory.token}`, { redirect: "manual" });
    expect([opened.status, opened.headers.get("set-cookie")]).toEqual([401, null]);
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

describe("signing in with a browser", () => {
  const html = { accept: "text/html" };

  test("is by a page with a field, which leads back to where one was going", async () => {
    const page = await fetch(`${factory.url}/workers/worker-1?a=%22`, { headers: html });
    expect(page.status).toBe(401);
    const text = await page.text();
    expect(text).toContain('<form method="post" action="/sign-in">');
    expect(text).toContain('name="token" type="password"');
    const [, next = ""] = /name="next" value="([^"]*)"/.exec(text) ?? [];
    const response = await postToken(factory, factory.token, { next });
    expect(response.status).toBe(303);
    expect(response.headers.get("location")).toBe("/workers/worker-1?a=%22");
  });

  test("leads to no other host", async () => {
    for (const next of [
      "//evil.example/",
      "/\\evil.example/",
      "http://evil.example/",
      "/.//evil.example/",
      "/\t/evil.example",
      "javascript:alert(1)",
    ]) {
      const response = await postToken(factory, factory.token, { next });
      const location = new URL(response.headers.get("location") ?? "", factory.url);
      expect([next, location.origin]).toEqual([next, factory.url]);
    }
  });

  test("sets a cookie that is named with the port, and closed to scripts and other sites", async () => {
    const response = await postToken(factory, factory.token);
    const cookie = response.headers.get("set-cookie") ?? "";
    expect(cookie).toMatch(new RegExp(`^factory_session_${new URL(factory.url).port}=[\\w-]{43};`));
    for (const word of ["HttpOnly", "SameSite=Strict", "Path=/"]) expect(cookie).toContain(word);
    expect(cookie).not.toContain("Secure");
    expect(cookie).not.toContain(factory.token);
  });

  test("the session's id is no token", async () => {
    const [, id = ""] = (await signIn(factory)).split("=");
    expect((await ask({ authorization: `Bearer ${id}` })).status).toBe(401);
    const again = await postToken(factory, id);
    expect([again.status, again.headers.get("set-cookie")]).toEqual([401, null]);
  });

  test("a wrong token is refused, in the page", async () => {
    const response = await postToken(factory, "wrong");
    expect([response.status, response.headers.get("set-cookie")]).toEqual([401, null]);
    expect(await response.text()).toContain("This is not the server&#39;s token");
    const foreign = await postToken(factory, factory.token, {
      headers: { origin: "http://evil.example" },
    });
    expect([foreign.status, foreign.headers.get("set-cookie")]).toEqual([403, null]);
  });

  test("X-Forwarded-Proto is believed of no proxy that isn't trusted", async () => {
    const headers = { "x-forwarded-proto": "https" };
    const response = await postToken(factory, factory.token, { headers });
    expect(response.headers.get("set-cookie")).not.toContain("Secure");
  });

  test("the cookie counts for pages of the server's own alone", async () => {
    const cookie = await signIn(factory);
    expect((await ask({ cookie, origin: factory.url })).status).toBe(200);
    expect((await ask({ cookie, "sec-fetch-site": "same-origin" })).status).toBe(200);
    const own = { cookie, origin: factory.url, "sec-fetch-site": "same-origin" };
    expect((await ask(own)).status).toBe(200);
    const foreign: Record<string, string>[] = [
      {},
      { "sec-fetch-site": "none" },
      { "sec-fetch-site": "same-site" },
      { "sec-fetch-site": "cross-site" },
      { origin: factory.url, "sec-fetch-site": "same-site" },
      ...["http://evil.example", "http://127.0.0.1:1", "null", `${factory.url}.evil.example`].map(
        (origin) => ({ origin }),
      ),
    ];
    for (const headers of foreign) {
      const response = await ask({ cookie, ...headers });
      expect([headers, response.status]).toEqual([headers, 403]);
      expect(await codesOf(response)).toEqual(["FORBIDDEN"]);
      for (const path of ["/api/factory/repos", "/metrics", "/graphql?query={__typename}"]) {
        const read = await fetch(factory.url + path, { headers: { cookie, ...headers } });
        expect([path, headers, read.status]).toEqual([path, headers, 403]);
      }
    }
  });

  test("a form can't use it", async () => {
    const cookie = await signIn(factory);
    for (const type of ["application/x-www-form-urlencoded", "text/plain", ""]) {
      const headers = { cookie, origin: "http://127.0.0.1:1", "content-type": type };
      expect((await ask(headers)).status).toBe(403);
    }
  });

  test("a bookmark, and a link from anywhere, open the pages, which hold nothing of anybody's", async () => {
    const cookie = await signIn(factory);
    for (const site of ["none", "cross-site", "same-site", "same-origin", undefined]) {
      for (const path of ["/", "/workers/worker-1", "/parents/me/time", "/graphql", "/api"]) {
        const headers = {
          ...html,
          cookie,
          "sec-fetch-mode": "navigate",
          "sec-fetch-dest": "document",
          ...(site === undefined ? {} : { "sec-fetch-site": site }),
        };
        const response = await fetch(factory.url + path, { headers });
        expect([site, path, response.status]).toEqual([site, path, 200]);
        expect((await response.text()).includes('action="/sign-in"')).toBe(false);
        expect(response.headers.get("cross-origin-resource-policy")).toBe("same-origin");
      }
    }
  });

  test("a sign-out ends the session for good", async () => {
    const [cookie, other] = await Promise.all([signIn(factory), signIn(factory)]);
    const signOut = (headers: Record<string, string>) =>
      fetch(`${factory.url}/sign-out`, { method: "POST", headers });
    expect((await signOut({ cookie })).status).toBe(403);
    expect((await signOut({ cookie, origin: "http://127.0.0.1:1" })).status).toBe(403);
    const response = await signOut({ cookie, origin: factory.url });
    expect(response.status).toBe(204);
    expect(response.headers.get("set-cookie")).toMatch(/^factory_session_\d+=; Max-Age=0/);
    expect((await ask({ cookie, origin: factory.url })).status).toBe(401);
    expect((await ask({ cookie: other, origin: factory.url })).status).toBe(200);
  });

  test("what a session streams ends with its sign-out", async () => {
    const cookie = await signIn(factory);
    const headers = { cookie, origin: factory.url };
    const stream = await ask(
      { ...headers, accept: "text/event-stream" },
      {
        body: JSON.stringify({
          query: 'subscription { workerStatusChanged(parentSession: "p") { sequence } }',
        }),
      },
    );
    expect(stream.status).toBe(200);
    const ended = stream.text().then(
      () => "ended",
      () => "ended",
    );
    await fetch(`${factory.url}/sign-out`, { method: "POST", headers });
    expect(await ended).toBe("ended");
  });

  test("sessions expire, and no more than 1,000 are kept", async () => {
    const cookie = await signIn(factory);
    const database = new pg.Client({ connectionString: factory.databaseUrl });
    await database.connect();
    try {
      await database.query(`UPDATE "BrowserSession" SET "expiresAt" = now() - interval '1 s'`);
      expect((await ask({ cookie, origin: factory.url })).status).toBe(401);
      await database.query(
        `INSERT INTO "BrowserSession" (hash, "expiresAt")
         SELECT 'made-up-' || i, now() + i * interval '1 ms' FROM generate_series(1, 1500) AS i`,
      );
      const last = await signIn(factory);
      expect((await ask({ cookie: last, origin: factory.url })).status).toBe(200);
      const { rows } = await database.query(
        `SELECT count(*)::int AS count, bool_or(hash LIKE '%' || $1 || '%') AS plain FROM "BrowserSession"`,
        [last.split("=")[1]],
      );
      expect(rows).toEqual([{ count: 1_000, plain: false }]);
    } finally {
      await database.end();
    }
  });
});

describe("whoever guesses the token", () => {
  test("has to wait longer and longer, by address, as a trusted proxy tells it", async () => {
    const from = (address: string, token: string) =>
      postToken(proxied, token, { headers: { "x-forwarded-for": `1.2.3.4, ${address}` } });
    const statuses = [];
    for (let count = 0; count < 8; count += 1) {
      statuses.push((await from("203.0.113.1", `wrong-${String(count)}`)).status);
    }
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429, 429]);
    const right = await from("203.0.113.1", proxied.token);
    expect([right.status, right.headers.get("set-cookie")]).toEqual([429, null]);
    expect(Number(right.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect((await from("203.0.113.2", proxied.token)).status).toBe(303);
    // Many at the same moment come no further.
    const many = await Promise.all(
      Array.from({ length: 20 }, (_, index) => from("203.0.113.3", `wrong-${String(index)}`)),
    );
    expect(many.filter(({ status }) => status === 401).length).toBe(5);
  });
});

describe("behind a trusted proxy that ends TLS", () => {
  const tls = { "x-forwarded-proto": "https", host: "factory.example" };

  test("the cookie is Secure, and named with the port that the browser sees", async () => {
    const headers = { ...tls, origin: "https://factory.example" };
    const response = await raw(proxied, "/sign-in", {
      method: "POST",
      headers: { ...headers, "content-type": "application/x-www-form-urlencoded" },
      body: `token=${proxied.token}`,
    });
    expect(response.statusCode).toBe(303);
    const [cookie = ""] = response.headers["set-cookie"] ?? [];
    expect(cookie).toMatch(/^factory_session_443=/);
    expect(cookie).toContain("Secure");
    const asked = await raw(proxied, "/graphql", {
      method: "POST",
      headers: { ...headers, ...json, cookie: cookie.replace(/;.*/, "") },
      body: typename,
    });
    expect(asked.statusCode).toBe(200);
  });
});

describe("several servers on one database", () => {
  function askAt({ url }: FactoryServer, cookie: string, path = "/graphql"): Promise<Response> {
    // Named with each one's own port, as they are on one host here.
    const named = cookie.replace(/^.*=/, `factory_session_${new URL(url).port}=`);
    const headers = { ...json, cookie: named, origin: url };
    return fetch(url + path, { method: "POST", headers, body: typename });
  }

  test("a browser that is signed in at one is so at all, until it signs out at any", async () => {
    const cookie = await signIn(factory);
    expect((await askAt(proxied, cookie)).status).toBe(200);
    expect((await askAt(proxied, cookie, "/sign-out")).status).toBe(204);
    expect((await askAt(factory, cookie)).status).toBe(401);
  });

  test("another token ends every session", async () => {
    const cookie = await signIn(proxied);
    expect((await askAt(proxied, cookie)).status).toBe(200);
    await proxied.terminate();
    proxied = await proxied.restart({ FACTORY_TOKEN: "another-token-than-before" });
    expect((await askAt(proxied, cookie)).status).toBe(401);
  });
});

describe("other origins", () => {
  test("a token in the header counts whatever the origin", async () => {
    const response = await ask({
      authorization: `Bearer ${factory.token}`,
      origin: "http://elsewhere.example",
    });
    expect(response.status).toBe(200);
  });

  test("no answer lets a page of another origin read it", async () => {
    const cookie = await signIn(factory);
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

  test("a persisted query's hash alone is answered with what makes clients send the query", async () => {
    const extensions = { persistedQuery: { version: 1, sha256Hash: "a".repeat(64) } };
    const form = new URLSearchParams({ extensions: JSON.stringify(extensions) }).toString();
    const accept = { accept: "application/json" };
    for (const response of [
      await factory.fetch("/graphql", {
        method: "POST",
        headers: json,
        body: JSON.stringify({ operationName: "A", variables: {}, extensions }),
      }),
      await factory.fetch(`/graphql?${form}`, { headers: accept }),
    ]) {
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({
        errors: [{ message: "PersistedQueryNotSupported", extensions: { code: "NOT_SUPPORTED" } }],
      });
    }
    const whole = await factory.fetch("/graphql", {
      method: "POST",
      headers: json,
      body: JSON.stringify({ query: "{ __typename }", extensions }),
    });
    expect(await whole.json()).toEqual({ data: { __typename: "Query" } });
  });

  test("a type of answer that there is none of is refused with those that there are", async () => {
    const subscription = "subscription { overviewChanged { at } }";
    for (const [query, accept, words] of [
      [
        subscription,
        'multipart/mixed;boundary="graphql";subscriptionSpec=1.0',
        "text/event-stream",
      ],
      [
        subscription,
        "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json",
        "text/event-stream",
      ],
      [subscription, "application/json", "text/event-stream"],
      ["{ __typename }", "text/plain", "application/json"],
    ] as const) {
      const response = await factory.fetch("/graphql", {
        method: "POST",
        headers: { ...json, accept },
        body: JSON.stringify({ query }),
      });
      expect([accept, response.status]).toEqual([accept, 406]);
      expect(await response.json()).toMatchObject({
        errors: [
          { message: expect.stringContaining(words), extensions: { code: "NOT_SUPPORTED" } },
        ],
      });
    }
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
